/* memory_fault.c - preloaded into a server, it makes memory short.
 *
 * $MEMORY_FAULT names a file of four bytes, a number in the machine's order: where it is n, every
 * n-th allocation fails; where it is 0, none does.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *p, size_t size);

static const volatile uint32_t *every;
static _Atomic uint32_t turn;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("MEMORY_FAULT");
    int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *every, PROT_READ, MAP_SHARED, fd, 0);
    if (p != MAP_FAILED)
        every = p;
    if (fd >= 0)
        close(fd);
}

static int fails(void)
{
    uint32_t n = every ? *every : 0;
    if (n == 0 || (atomic_fetch_add(&turn, 1) + 1) % n != 0)
        return 0;
    errno = ENOMEM;
    return 1;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *p, size_t size)
{
    return fails() ? NULL : __libc_realloc(p, size);
}
