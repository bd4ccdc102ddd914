/*
 * MiB of private memory. Each check of a restored copy first touches every 16th page in an order
 * without pattern and times each touch; STATE_DIR/touches then holds how many there were and their
 * median, 99th percentile and maximum, in nanoseconds.
 *
 *   lazymeter STATE_DIR MIB
 */
#include "fixture.h"

enum { STRIDE = 16 };

static uint8_t *memory;
static size_t pages;

static int compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* An odd factor visits every multiple of STRIDE once: their number is a power of two. */
static void touch(void)
{
	size_t count = pages / STRIDE;
	int64_t *times = malloc(count * sizeof(*times));
	char text[128];

	for (size_t i = 0; i < count; i++) {
		size_t nth = i * 40503 % count;
		int64_t start = now(CLOCK_MONOTONIC);

		(void)*(volatile uint8_t *)(memory + nth * STRIDE * PAGE);
		times[i] = now(CLOCK_MONOTONIC) - start;
	}
	qsort(times, count, sizeof(*times), compare);
	snprintf(text, sizeof(text), "%zu %lld %lld %lld\n", count, (long long)times[count / 2],
		 (long long)times[count - count / 100 - 1], (long long)times[count - 1]);
	publish("touches", text);
	free(times);
}

static void check(void)
{
	if (fixture.restored)
		touch();
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	MUST(argc == 3 ? 0 : -1);
	pages = strtoul(argv[2], NULL, 10) << 8;
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	MUST(memory);
	MUST(madvise(memory, pages * PAGE, MADV_NOHUGEPAGE));
	for (size_t i = 0; i < pages; i++)
		fill_page(memory + i * PAGE, i);
	serve(check);
}
