/* grpc_memory.h - memory of the gRPC sessions of one thread.
 *
 * A session of nghttp2 allocates a dozen small blocks for each call: they come from free lists that
 * all sessions of the thread share, so that a call costs no malloc once the thread is warm. And it
 * has a buffer of 16 KiB for the frame that it sends, in which nothing is left between two calls of
 * nghttp2_session_mem_send() once its first bytes, the connection's magic, were taken: all sessions
 * of the thread use one.
 *
 * A session allocates on the thread that opened it, and may be closed by another once that one has
 * ended. Built with AddressSanitizer every small block is a malloc of its own, so that a use after
 * free shows, and the common buffer is spoiled whenever nothing may be left in it.
 */
#ifndef TALLY_LOADGEN_GRPC_MEMORY_H
#define TALLY_LOADGEN_GRPC_MEMORY_H

#include <nghttp2/nghttp2.h>
#include <stdbool.h>

struct grpc_memory;

/* That of this thread, for one session; NULL when memory is short. */
struct grpc_memory *grpc_memory_join(void);
/* The session's blocks have all come back. The last one to leave frees everything. NULL is fine. */
void grpc_memory_leave(struct grpc_memory *m);
/* For a session. While it is being created it is given the common buffer. */
nghttp2_mem grpc_memory_functions(struct grpc_memory *m);
void grpc_memory_creating(struct grpc_memory *m, bool creating);
/* What nghttp2_session_mem_send() returned was copied. */
void grpc_memory_frame_taken(struct grpc_memory *m);
/* Calls of malloc so far, for tests. */
size_t grpc_memory_mallocs(const struct grpc_memory *m);

#endif
