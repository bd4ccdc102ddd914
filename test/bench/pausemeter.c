/*
 * Sees how long it was stopped: its first and its last thread nap for 50 us at a time and
 * look at CLOCK_MONOTONIC after each nap. The pause is what lies between the last look of
 * either before the longest gap and the first look of both after it.
 *
 *   pausemeter STATE_DIR MIB dense|sparse THREADS [MB_PER_S]
 *
 * MIB of private memory are filled, as one piece, or every second page of twice as much;
 * all threads but those two sleep. Each check writes STATE_DIR/pause, in nanoseconds, and
 * begins anew. The meters are real-time threads that sleep: they leave the processors to
 * whoever dumps, but run at once when they may.
 *
 * One more thread writes MB_PER_S to the pages, round and round. It makes up for no time that it loses,
 * so that STATE_DIR/pause tells what else it cost: after the pause, the pages that were written since
 * the last check and the nanoseconds that it is ago.
 */
#include "pace.h"
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>

struct meter {
	int64_t last, from, to; /* the last look; the longest gap since the last check */
};

static struct meter meters[2];
static size_t threads, pages, stride;
static uint64_t rate;
static char *memory;
static volatile uint64_t written; /* pages, since the start */

static void look(struct meter *me)
{
	int64_t t = now(CLOCK_MONOTONIC);

	if (t - me->last > me->to - me->from) {
		me->from = me->last;
		me->to = t;
	}
	me->last = t;
}

static void doze(void)
{
	struct timespec span = { 0, 50000 };

	nanosleep(&span, NULL);
}

static void begin_anew(struct meter *me)
{
	me->from = me->to = 0;
	me->last = now(CLOCK_MONOTONIC);
}

/* Run at once when there is something to run for. */
static void be_prompt(void)
{
	struct sched_param param = { 1 };

	prctl(PR_SET_TIMERSLACK, 1);
	sched_setscheduler(0, SCHED_FIFO, &param);
}

static void *meter_thread(void *unused)
{
	be_prompt();
	begin_anew(&meters[1]);
	for (;;) {
		doze();
		look(&meters[1]);
	}
	return unused;
}

static void *sleeper_thread(void *unused)
{
	for (;;)
		pause();
	return unused;
}

static char *page_at(size_t i)
{
	return memory + i * stride * PAGE;
}

static void *writer_thread(void *unused)
{
	struct pace pace = pace_of(rate, 1000000);

	for (;;) {
		for (uint64_t end = written + pace.batch; written < end; written++)
			memset(page_at(written % pages), written / pages, PAGE);
		keep_pace(&pace);
	}
	return unused;
}

static void start_threads(void)
{
	pthread_attr_t small;
	pthread_t thread;

	pthread_attr_init(&small);
	pthread_attr_setstacksize(&small, 64 << 10);
	for (size_t i = 1; i < threads; i++)
		MUST0(pthread_create(&thread, &small,
				     i + 1 < threads ? sleeper_thread : meter_thread, NULL));
	if (rate)
		MUST0(pthread_create(&thread, &small, writer_thread, NULL));
}

static void fill(void)
{
	memory = mmap(NULL, pages * stride * PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	MUST(memory == MAP_FAILED ? -1 : 0);
	MUST(madvise(memory, pages * stride * PAGE, MADV_NOHUGEPAGE));
	for (size_t i = 0; i < pages; i++) {
		memset(page_at(i), 0x5a, PAGE);
		*(uint64_t *)page_at(i) = pattern(1, i);
	}
}

/* The longest gap of both, and what the other one missed of the same. */
static int64_t longest_pause(void)
{
	struct meter a = meters[0], b = meters[1];

	if (a.to > b.from && b.to > a.from) {
		a.from = b.from < a.from ? b.from : a.from;
		a.to = b.to > a.to ? b.to : a.to;
	}
	return a.to - a.from > b.to - b.from ? a.to - a.from : b.to - b.from;
}

static void report(void)
{
	static int64_t last_time;
	static uint64_t last_written;
	int64_t time = now(CLOCK_MONOTONIC);
	uint64_t count = written;
	char text[80];

	snprintf(text, sizeof(text), "%lld %llu %lld\n", (long long)longest_pause(),
		 (unsigned long long)(count - last_written), (long long)(time - last_time));
	last_written = count;
	last_time = time;
	publish("pause", text);
	answer();
	for (int i = 0; i < 2; i++)
		begin_anew(&meters[i]);
}

int main(int argc, char **argv)
{
	begin(argc, argv);
	MUST(argc >= 5 ? 0 : -1);
	pages = strtoul(argv[2], NULL, 10) << 8;
	stride = strcmp(argv[3], "sparse") ? 1 : 2;
	threads = strtoul(argv[4], NULL, 10);
	rate = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
	fill();
	start_threads();
	be_prompt();
	publish("ready", "ready\n");
	begin_anew(&meters[0]);
	for (;; fixture.beats++) {
		doze();
		look(&meters[0]);
		if (fixture.beats % 100 == 0 && asked())
			report();
	}
}
