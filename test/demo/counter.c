/*
 * The demo's sample: a program whose state can be seen. It counts; so do three threads of
 * its own, and a second process in memory that both share; and it sums up a table of 64 MiB
 * again and again. Every 50 ms it writes where it is to a file.
 *
 *   counter FILE
 *
 * The file holds one line of fixed length: COUNT THREADS SHARED SUM
 */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, WORDS = (64 << 20) / 8, LINE = 80 };

static atomic_ulong by_threads;
static atomic_ulong *shared;
static uint64_t *table;

static void nap(int milliseconds)
{
	struct timespec span = { 0, milliseconds * 1000000L };

	nanosleep(&span, NULL);
}

static void *count_in_memory(void *number)
{
	for (;; nap(10))
		++*(atomic_ulong *)number;
	return NULL;
}

static void *map(size_t size, int kind)
{
	void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, kind | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	return memory;
}

static uint64_t sum(void)
{
	uint64_t result = 0;

	for (size_t i = 0; i < WORDS; i++)
		result = (result << 7 | result >> 57) * 5 + table[i];
	return result;
}

static void start(void)
{
	pthread_t thread;
	pid_t child;

	shared = map(sizeof(*shared), MAP_SHARED);
	child = fork();
	if (child < 0)
		err(1, "fork");
	if (child == 0)
		count_in_memory(shared);
	table = map(WORDS * sizeof(*table), MAP_PRIVATE);
	for (size_t i = 0; i < WORDS; i++)
		table[i] = i * 0xbf58476d1ce4e5b9ULL + 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&thread, NULL, count_in_memory, &by_threads))
			errx(1, "pthread_create");
}

int main(int argc, char **argv)
{
	char line[LINE + 1];
	int file;

	if (argc != 2)
		errx(2, "usage: counter FILE");
	close_range(3, ~0U, 0); /* what the shell that started us left open */
	file = open(argv[1], O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (file < 0)
		err(1, "%s", argv[1]);
	start();
	for (unsigned long count = 1;; count++, nap(50)) {
		int n = snprintf(line, sizeof(line), "%lu %lu %lu %016llx", count,
				 atomic_load(&by_threads), atomic_load(shared),
				 (unsigned long long)sum());

		snprintf(line + n, sizeof(line) - n, "%*s", LINE - n, "\n");
		if (pwrite(file, line, LINE, 0) != LINE)
			err(1, "%s", argv[1]);
	}
}
