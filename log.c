/* log.c - the log on stderr of log.h. */
#include "log.h"

#include <poll.h>
#include <stdarg.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "json.h"
#include "text.h"

#define LOG_BUFFER 16384  /* bytes that wait for stderr; the next line beyond is dropped */
#define LOG_LINE_MAX 1024 /* bytes of one message */
#define LOG_WRITE_MAX \
	4096 /* a pipe that poll() calls writable takes PIPE_BUF bytes without blocking */

static struct {
	enum log_level least; /* zero: LOG_DEBUG, until the settings are known */
	enum log_format format;
	size_t n;
	uint64_t dropped, dropped_untold;
	struct tz zone;
	char bytes[LOG_BUFFER];
} state;

static const char *const level_names[] = {"DEBUG", "INFO", "WARNING", "ERROR"};

void log_setup(enum log_level least, enum log_format format)
{
	state.least = least;
	state.format = format;
}

void log_zone(const struct tz *zone)
{
	state.zone = *zone;
}

bool log_wants(enum log_level level)
{
	return level >= state.least;
}

bool log_pending(void)
{
	return state.n > 0;
}

uint64_t log_dropped(void)
{
	return state.dropped;
}

static size_t as_text(
    char *out, size_t cap, enum log_level level, const char *module, const char *message)
{
	struct timespec now;
	struct text_date d;
	int n;

	clock_gettime(CLOCK_REALTIME, &now);
	d = text_date(now.tv_sec + tz_offset(&state.zone, now.tv_sec));
	n = text_print(out, cap, "%04d-%02u-%02u %02u:%02u:%02u - %s - %s - %s\n", (int)d.year,
	    d.month, d.day, d.hour, d.minute, d.second, module, level_names[level], message);
	return n > 0 && (size_t)n < cap ? (size_t)n : 0;
}

static size_t as_json(
    char *out, size_t cap, enum log_level level, const char *module, const char *message)
{
	struct timespec now;
	struct buf b = {.p = out, .cap = cap, .max = cap};
	struct json_writer w;

	clock_gettime(CLOCK_REALTIME, &now);
	json_start(&w, &b);
	json_open(&w, '{');
	json_key(&w, "time");
	json_time(&w, (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000);
	json_key(&w, "module");
	json_cstring(&w, module);
	json_key(&w, "level");
	json_cstring(&w, level_names[level]);
	json_key(&w, "message");
	json_cstring(&w, message);
	json_close(&w, '}');
	buf_add_text(&b, "\n");
	return b.failed ? 0 : b.n;
}

/* The line is made where it will stand; one that does not fit leaves nothing behind. */
static void put(enum log_level level, const char *module, const char *message)
{
	char *to = state.bytes + state.n;
	size_t room = LOG_BUFFER - state.n;
	size_t n = 0;

	if (room)
		n = state.format == LOG_JSON ? as_json(to, room, level, module, message)
					     : as_text(to, room, level, module, message);
	if (!n) {
		state.dropped++;
		state.dropped_untold++;
	}
	state.n += n;
}

static bool write_some(int wait_ms);

static void tell_dropped(void)
{
	char message[96];

	if (!state.dropped_untold || state.n > LOG_BUFFER / 2)
		return;
	text_print(message, sizeof(message),
	    "%llu log lines were dropped: nobody reads stderr fast enough",
	    (unsigned long long)state.dropped_untold);
	state.dropped_untold = 0;
	put(LOG_WARNING, "log", message);
}

void log_line(enum log_level level, const char *module, const char *format, ...)
{
	char raw[LOG_LINE_MAX], safe[LOG_LINE_MAX];
	va_list args;
	int n;

	if (!log_wants(level))
		return;
	va_start(args, format);
	n = text_vprint(raw, sizeof(raw), format, args);
	va_end(args);
	if (n < 0)
		return;
	text_escape((struct span){raw, (size_t)n < sizeof(raw) ? (size_t)n : sizeof(raw) - 1}, safe,
	    sizeof(safe));
	tell_dropped();
	put(level, module, safe);
	/* many lines at once go out as they come, so that the buffer's memory stays untouched */
	if (state.n > LOG_WRITE_MAX / 2)
		write_some(0);
}

static bool write_some(int wait_ms)
{
	struct pollfd fd = {.fd = STDERR_FILENO, .events = POLLOUT};
	ssize_t n;

	if (poll(&fd, 1, wait_ms) <= 0)
		return false;
	n = write(STDERR_FILENO, state.bytes, state.n < LOG_WRITE_MAX ? state.n : LOG_WRITE_MAX);
	if (n <= 0) {
		if (fd.revents & (POLLERR | POLLHUP | POLLNVAL))
			state.n = 0; /* the reader is gone for good; the log must not keep the loop awake */
		return false;
	}
	memmove(state.bytes, state.bytes + n, state.n - (size_t)n);
	state.n -= (size_t)n;
	return true;
}

void log_flush(void)
{
	while (state.n && write_some(0))
		;
	tell_dropped();
}

void log_finish(int ms)
{
	struct timespec start, now;

	clock_gettime(CLOCK_MONOTONIC, &start);
	while (state.n) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		if ((now.tv_sec - start.tv_sec) * 1000 + (now.tv_nsec - start.tv_nsec) / 1000000 > ms)
			return;
		if (!write_some(20) && !state.n)
			return;
	}
}
