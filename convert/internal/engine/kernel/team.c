//go:build cgo

// Workers claim tasks one at a time from a word that holds the job's number and how many tasks are left: whoever lowers it
// has a task, and the job's other fields stand still until that task is done. Nobody waits for a worker without a task, so
// one that the system has put aside costs nothing. Idle workers look for work for a short while, then sleep.

#include "team.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SPIN_NS = 50000 };

struct nitrain_team {
	_Atomic uint64_t word; // job << 32 | tasks that nobody has claimed
	_Atomic uint32_t done; // tasks that have ended
	_Atomic int sleepers, waiting, closing, stop;
	char apart[64];
	void (*task)(void *arg, size_t i);
	void *arg;
	uint32_t count;
	pthread_mutex_t busy; // held by who runs a job
	pthread_mutex_t lock; // of the two conditions
	pthread_cond_t work, ended;
	int workers;
	pthread_t thread[];
};

static void relax(void) {
#if defined(__SSE__)
	_mm_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

static int64_t now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

// work does tasks of the present job until none is left.
static void work(nitrain_team *t) {
	uint64_t word = atomic_load(&t->word);
	while ((uint32_t)word) {
		if (!atomic_compare_exchange_weak(&t->word, &word, word - 1)) continue;
		const uint32_t count = t->count;
		if (!atomic_load_explicit(&t->stop, memory_order_relaxed)) t->task(t->arg, count - (uint32_t)word);
		if (atomic_fetch_add(&t->done, 1) + 1 == count && atomic_load(&t->waiting)) {
			pthread_mutex_lock(&t->lock);
			pthread_cond_signal(&t->ended);
			pthread_mutex_unlock(&t->lock);
		}
		word = atomic_load(&t->word);
	}
}

// idle returns when there is a task or the team closes.
static void idle(nitrain_team *t) {
	const int64_t until = now() + SPIN_NS;
	do {
		for (int i = 0; i < 64; i++) {
			if ((uint32_t)atomic_load_explicit(&t->word, memory_order_acquire)) return;
			relax();
		}
	} while (now() < until);
	pthread_mutex_lock(&t->lock);
	atomic_fetch_add(&t->sleepers, 1);
	while (!(uint32_t)atomic_load(&t->word) && !atomic_load(&t->closing)) pthread_cond_wait(&t->work, &t->lock);
	atomic_fetch_sub(&t->sleepers, 1);
	pthread_mutex_unlock(&t->lock);
}

static void *worker(void *team) {
	nitrain_team *t = team;
	nitrain_flush();
	while (!atomic_load(&t->closing)) {
		work(t);
		idle(t);
	}
	return NULL;
}

// finish waits for tasks that workers still have.
static void finish(nitrain_team *t) {
	if (atomic_load(&t->done) == t->count) return;
	const int64_t until = now() + SPIN_NS;
	do {
		for (int i = 0; i < 64; i++) {
			if (atomic_load_explicit(&t->done, memory_order_acquire) == t->count) return;
			relax();
		}
	} while (now() < until);
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->waiting, 1);
	while (atomic_load(&t->done) != t->count) pthread_cond_wait(&t->ended, &t->lock);
	atomic_store(&t->waiting, 0);
	pthread_mutex_unlock(&t->lock);
}

static void alone(nitrain_team *t, void (*task)(void *arg, size_t i), size_t from, size_t count, void *arg) {
	for (size_t i = from; i < count && !atomic_load_explicit(&t->stop, memory_order_relaxed); i++) task(arg, i);
}

void nitrain_team_run(void *team, void (*task)(void *arg, size_t i), size_t count, void *arg) {
	nitrain_team *t = team;
	if (count < 2 || count > INT32_MAX || !t->workers || pthread_mutex_trylock(&t->busy)) {
		alone(t, task, 0, count, arg);
		return;
	}
	t->task = task;
	t->arg = arg;
	t->count = (uint32_t)count;
	atomic_store(&t->done, 0);
	atomic_store(&t->word, ((atomic_load(&t->word) >> 32) + 1) << 32 | count);
	if (atomic_load(&t->sleepers)) {
		pthread_mutex_lock(&t->lock);
		if ((int)count > t->workers) pthread_cond_broadcast(&t->work);
		else for (size_t i = 1; i < count; i++) pthread_cond_signal(&t->work);
		pthread_mutex_unlock(&t->lock);
	}
	work(t);
	finish(t);
	pthread_mutex_unlock(&t->busy);
}

void nitrain_team_stop(nitrain_team *t, int stop) { atomic_store(&t->stop, stop); }

int nitrain_team_stopped(const void *team) {
	return atomic_load_explicit(&((nitrain_team *)team)->stop, memory_order_relaxed);
}

nitrain_team *nitrain_team_new(int threads) {
	nitrain_team *t = calloc(1, sizeof *t + (size_t)threads * sizeof t->thread[0]);
	if (!t) return NULL;
	pthread_mutex_init(&t->busy, NULL);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->work, NULL);
	pthread_cond_init(&t->ended, NULL);
	// Signals are for the threads of Go.
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int failed = 0;
	while (!failed && t->workers < threads - 1) {
		failed = pthread_create(&t->thread[t->workers], NULL, worker, t);
		if (!failed) t->workers++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!failed) return t;
	nitrain_team_free(t);
	return NULL;
}

void nitrain_team_free(nitrain_team *t) {
	pthread_mutex_lock(&t->lock);
	atomic_store(&t->closing, 1);
	pthread_cond_broadcast(&t->work);
	pthread_mutex_unlock(&t->lock);
	for (int i = 0; i < t->workers; i++) pthread_join(t->thread[i], NULL);
	pthread_mutex_destroy(&t->busy);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->work);
	pthread_cond_destroy(&t->ended);
	free(t);
}
