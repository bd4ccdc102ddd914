/*
 * How long the kernel alone takes to tell which pages of a process hold data: PAGEMAP_SCAN
 * over all its memory, no PAGE_IS_FILE in any mask, into a buffer that is there already.
 * The best that any dumper could do while the process is stopped.
 *
 *   barescan PID        prints the median of five scans, in nanoseconds, and the ranges found
 *
 * Documentation/admin-guide/mm/pagemap.rst of the kernel.
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

/* As in linux/fs.h, which is too old in Debian 12. */
struct range {
	uint64_t start, end, categories;
};
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};
#define SCAN _IOWR('f', 16, struct scan)
enum { PRESENT = 1 << 3, SWAPPED = 1 << 4, ROOM = 64 << 10, SCANS = 5 };

static struct range found[ROOM];

static int64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long scan_all(int pagemap)
{
	struct scan scan = {
		.size = sizeof(scan),
		.end = (1ULL << 47) - 4096, /* TASK_SIZE_MAX */
		.vec = (uintptr_t)found,
		.vec_len = ROOM,
		.category_anyof_mask = PRESENT | SWAPPED,
		.return_mask = PRESENT | SWAPPED,
	};
	long ranges = 0;

	for (; scan.start < scan.end; scan.start = scan.walk_end) {
		int n = ioctl(pagemap, SCAN, &scan);

		if (n < 0)
			err(1, "PAGEMAP_SCAN");
		ranges += n;
	}
	return ranges;
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
	int64_t times[SCANS];
	char file[64];
	long ranges;
	int pagemap;

	if (argc != 2)
		errx(2, "usage: barescan PID");
	snprintf(file, sizeof(file), "/proc/%s/pagemap", argv[1]);
	pagemap = open(file, O_RDONLY | O_CLOEXEC);
	if (pagemap < 0)
		err(1, "%s", file);
	memset(found, 1, sizeof(found));
	for (int i = 0; i < SCANS; i++) {
		int64_t start = nanoseconds();

		ranges = scan_all(pagemap);
		times[i] = nanoseconds() - start;
	}
	qsort(times, SCANS, sizeof(*times), ascending);
	printf("%lld %ld\n", (long long)times[SCANS / 2], ranges);
	return 0;
}
