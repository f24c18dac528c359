// A team of threads, and how arithmetic is done within: see team.c.

#ifndef NITRAIN_TEAM_H
#define NITRAIN_TEAM_H

#include <stddef.h>
#include <stdint.h>

#if defined(__SSE__)
#include <immintrin.h>
#endif

typedef struct nitrain_team nitrain_team;

// nitrain_team_new starts threads - 1 workers; whoever calls is the last of the team. It returns NULL where the system
// gives no memory or no thread.
nitrain_team *nitrain_team_new(int threads);

// nitrain_team_free ends the workers. Nothing may run.
void nitrain_team_free(nitrain_team *team);

// nitrain_team_run calls task(arg, i) for every i < count, in any order, on the workers and the caller. It returns when all
// have ended. While the team is told to stop, tasks that have not begun are left out. A call from within a task, or while
// another thread has the team, runs on the caller alone.
void nitrain_team_run(void *team, void (*task)(void *arg, size_t i), size_t count, void *arg);

// nitrain_team_stop sets or clears the flag that leaves tasks out.
void nitrain_team_stop(nitrain_team *team, int stop);

// nitrain_team_stopped tells whether the flag is set, for loops that look between pieces of a long task.
int nitrain_team_stopped(const void *team);

// nitrain_flush makes the thread read and write denormal numbers as zeros and returns what nitrain_unflush restores.
// Operations call the pair around their work.
static inline uint64_t nitrain_flush(void) {
#if defined(__SSE__)
	const unsigned before = _mm_getcsr();
	_mm_setcsr(before | 0x8040);
	return before;
#elif defined(__aarch64__)
	uint64_t before;
	__asm__ volatile("mrs %0, fpcr" : "=r"(before));
	__asm__ volatile("msr fpcr, %0" : : "r"(before | (uint64_t)1 << 24));
	return before;
#else
	return 0;
#endif
}

static inline void nitrain_unflush(uint64_t before) {
#if defined(__SSE__)
	_mm_setcsr((unsigned)before);
#elif defined(__aarch64__)
	__asm__ volatile("msr fpcr, %0" : : "r"(before));
#else
	(void)before;
#endif
}

#endif
