/*
 * A redis-server under a steady load, as its client sees it: every request has its time, however late
 * the one before it was answered, and its latency counts from that time. So a pause shows in all
 * requests that fell due during it.
 *
 *   redisload DIR REQUESTS_PER_S KEYS SERVER ARGS...
 *
 * Starts SERVER, which has to listen at DIR/socket, and fills KEYS keys with 4000 bytes each. Server and
 * client are one tree, so that a dump takes the connection between them for its own: both ckpt and CRIU
 * refuse one that leads out of the tree. One request in ten writes a key, the others read one.
 *
 * DIR/ready is written when it begins. Whenever DIR/ask is found, it is removed, and DIR/answer has what
 * was since the last time, in microseconds: the requests, p50, p99, p99.9 and the maximum.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { VALUE = 4000, ROOM = VALUE + 200, MOST = 1 << 20 };

static const char *dir;
static int64_t latencies[MOST];
static int count;
static uint64_t random_state = 88172645463325252ULL;

static uint64_t rnd(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static int64_t nanoseconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(int64_t due)
{
	struct timespec t = { due / 1000000000, due % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static const char *path(const char *name)
{
	static char out[sizeof(((struct sockaddr_un *)0)->sun_path)];

	if (snprintf(out, sizeof(out), "%s/%s", dir, name) >= (int)sizeof(out))
		errx(2, "%s: too long for a socket's path", dir);
	return out;
}

/* Connect to the server, which may take a moment to listen. */
static int open_connection(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path("socket"));
	for (int n = 0; n < 1000; n++) {
		if (!connect(fd, (void *)&address, sizeof(address)))
			return fd;
		usleep(10000);
	}
	err(1, "%s", address.sun_path);
}

/* One request for a key and its whole answer. */
static void ask(int fd, unsigned long key, int is_write)
{
	static char text[ROOM];
	int length, got = 0, want;

	if (is_write) {
		length = sprintf(text, "*3\r\n$3\r\nSET\r\n$12\r\nkey:%08lu\r\n$%d\r\n", key, VALUE);
		for (int i = 0; i < VALUE; i++)
			text[length + i] = 'a' + rnd() % 26;
		length += VALUE;
		length += sprintf(text + length, "\r\n");
		want = 5; /* +OK */
	} else {
		length = sprintf(text, "*2\r\n$3\r\nGET\r\n$12\r\nkey:%08lu\r\n", key);
		want = VALUE + 9; /* $4000, the value, and the ends of both lines */
	}
	if (write(fd, text, length) != length)
		err(1, "write");
	while (got < want) {
		ssize_t n = read(fd, text + got, ROOM - got);

		if (n <= 0)
			err(1, "read");
		got += n;
	}
	if ((want == 5) != (text[0] == '+') || text[0] == '-')
		errx(1, "answered: %.60s", text);
}

static int ascending(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void report(void)
{
	FILE *out;

	if (access(path("ask"), F_OK))
		return;
	qsort(latencies, count, sizeof(*latencies), ascending);
	out = fopen(path("draft"), "we");
	if (!out)
		err(1, "%s", path("draft"));
	fprintf(out, "%d", count);
	for (const double *part = (double[]){ 0.5, 0.99, 0.999, 1, -1 }; *part > 0; part++)
		fprintf(out, " %.1f", latencies[(int)((count - 1) * *part)] / 1e3);
	fclose(out);
	unlink(path("ask"));
	char draft[200];
	strcpy(draft, path("draft"));
	rename(draft, path("answer"));
	count = 0;
}

static void start(char **server)
{
	if (!fork()) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		execv(server[0], server);
		err(1, "%s", server[0]);
	}
}

int main(int argc, char **argv)
{
	if (argc < 5)
		errx(2, "usage: redisload DIR REQUESTS_PER_S KEYS SERVER ARGS...");
	dir = argv[1];
	long rate = atol(argv[2]);
	unsigned long keys = strtoul(argv[3], NULL, 10);

	start(argv + 4);
	int fd = open_connection();
	for (unsigned long key = 0; key < keys; key++)
		ask(fd, key, 1);
	close(open(path("ready"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	int64_t begin = nanoseconds();
	for (long n = 0;; n++) {
		int64_t due = begin + n * (1000000000 / rate);

		sleep_until(due);
		ask(fd, rnd() % keys, rnd() % 10 == 0);
		if (count < MOST)
			latencies[count++] = nanoseconds() - due;
		if (n % 16 == 0)
			report();
	}
}
