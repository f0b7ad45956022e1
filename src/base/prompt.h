/* prompt.h - for threads that many others wait for: they run soon after they wake. */
#ifndef TALLY_BASE_PROMPT_H
#define TALLY_BASE_PROMPT_H

/* Asks the scheduler for a short time slice for the calling thread: Linux 6.12 and later then run
 * it early when it wakes, at no greater share of the processor. Older systems ignore it. Needs no
 * privilege, cannot fail in a way that matters. */
void thread_prompt(void);

#endif
