/*
 * Sets the wall clock of the program that it is preloaded into (LD_PRELOAD), and of no other.
 * The file named by WALL_CLOCK holds two 64-bit numbers: the seconds by which the clock is wrong,
 * which a test sets while the program runs, and how often the program has looked at it, which the
 * test reads.
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

struct wall {
	_Atomic int64_t wrong_by_s;
	_Atomic uint64_t looks;
};

static struct wall right;
static struct wall *wall = &right;

__attribute__((constructor)) static void
wall_clock_start(void)
{
	const char *path = getenv("WALL_CLOCK");
	int file_fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;

	if (file_fd < 0)
		return;
	void *shared = mmap(NULL, sizeof(*wall), PROT_READ | PROT_WRITE, MAP_SHARED, file_fd, 0);
	if (shared != MAP_FAILED)
		wall = shared;
	close(file_fd);
}

int
clock_gettime(clockid_t clock, struct timespec *time)
{
	int result = (int)syscall(SYS_clock_gettime, clock, time);

	if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
		time->tv_sec += atomic_load(&wall->wrong_by_s);
		atomic_fetch_add(&wall->looks, 1);
	}
	return result;
}

int
gettimeofday(struct timeval *restrict time, void *restrict zone)
{
	struct timespec now;
	int result = clock_gettime(CLOCK_REALTIME, &now);

	(void)zone;
	*time = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
	return result;
}

time_t
time(time_t *into)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (into != NULL)
		*into = now.tv_sec;
	return now.tv_sec;
}
