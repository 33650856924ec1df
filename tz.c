/* tz.c - zones of tz.h. */
#include "tz.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NAME_LEAST 3          /* letters of a zone's abbreviation */
#define OFFSET_HOURS 24       /* of a zone */
#define RULE_HOURS 167        /* of a rule's time: a week but an hour */
#define FILE_MAX 4096         /* bytes; the largest of tzdata has 3,700 */
#define RULE_TIME "2"         /* o'clock the change is, unless said */
#define USA ",M3.2.0,M11.1.0" /* what POSIX leaves open, as every libc has it */

static bool mark(struct span *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	s->p++;
	s->n--;
	return true;
}

/* Takes a number from least to most. */
static bool number(struct span *s, unsigned least, unsigned most, unsigned *out)
{
	size_t digits = 0;
	unsigned v = 0;

	for (; digits < s->n && digits < 4 && s->p[digits] >= '0' && s->p[digits] <= '9'; digits++)
		v = v * 10 + (unsigned)(s->p[digits] - '0');
	s->p += digits;
	s->n -= digits;
	*out = v;
	return digits && v >= least && v <= most;
}

/* Takes [+-]hh[:mm[:ss]] as seconds. */
static bool clock_time(struct span *s, unsigned hours, int32_t *seconds)
{
	bool minus = mark(s, '-');
	unsigned h, m = 0, sec = 0;

	if (!minus)
		mark(s, '+');
	if (!number(s, 0, hours, &h))
		return false;
	if (mark(s, ':') && (!number(s, 0, 59, &m) || (mark(s, ':') && !number(s, 0, 59, &sec))))
		return false;
	*seconds = (int32_t)(h * 3600 + m * 60 + sec);
	if (minus)
		*seconds = -*seconds;
	return true;
}

/* Takes an abbreviation: letters, or anything but < and > between these. */
static bool name(struct span *s)
{
	bool quoted = mark(s, '<');
	size_t n = 0;

	while (n < s->n) {
		char c = s->p[n] | 0x20;

		if (quoted ? s->p[n] == '>' : c < 'a' || c > 'z')
			break;
		n++;
	}
	s->p += n;
	s->n -= n;
	return n >= NAME_LEAST && (!quoted || mark(s, '>'));
}

/* Takes ,rule[/time]. */
static bool rule(struct span *s, struct tz_rule *r)
{
	unsigned month = 0, week = 0, day;
	struct span two = span_of(RULE_TIME);

	if (!mark(s, ','))
		return false;
	r->kind = mark(s, 'M') ? 'M' : mark(s, 'J') ? 'J' : 'N';
	if (r->kind == 'M' &&
	    (!number(s, 1, 12, &month) || !mark(s, '.') || !number(s, 1, 5, &week) || !mark(s, '.')))
		return false;
	if (!number(s, r->kind == 'J', r->kind == 'M' ? 6 : 365, &day))
		return false;
	r->month = (uint8_t)month;
	r->week = (uint8_t)week;
	r->day = (uint16_t)day;
	return clock_time(mark(s, '/') ? s : &two, RULE_HOURS, &r->time);
}

static bool read_zone(struct span s, struct tz *tz)
{
	int32_t west;

	if (!name(&s) || !clock_time(&s, OFFSET_HOURS, &west))
		return false;
	tz->standard = -west;
	if (!s.n)
		return true;
	tz->has_summer = true;
	tz->summer = tz->standard + 3600;
	if (!name(&s))
		return false;
	if (s.n && s.p[0] != ',') {
		if (!clock_time(&s, OFFSET_HOURS, &west))
			return false;
		tz->summer = -west;
	}
	if (!s.n)
		s = span_of(USA);
	return rule(&s, &tz->begin) && rule(&s, &tz->end) && !s.n;
}

bool tz_read(struct span s, struct tz *tz)
{
	*tz = (struct tz){0};
	if (read_zone(s, tz))
		return true;
	*tz = (struct tz){0};
	return false;
}

/* When the rule applies in a year, on the clock before the change. */
static int64_t change(const struct tz_rule *r, int64_t year)
{
	int64_t day = text_days(year, 1, 1), next;

	if (r->kind == 'M') {
		day = text_days(year, r->month, 1);
		next = r->month < 12 ? text_days(year, r->month + 1, 1) : day + 31;
		/* 1970-01-01 was a Thursday */
		day += (r->day + 7 - (day + 4) % 7) % 7 + 7 * (r->week - 1);
		if (day >= next)
			day -= 7;
	} else if (r->kind == 'N') {
		day += r->day;
	} else if (r->day >= 60) { /* 1 March, whether or not there is a 29 February */
		day = text_days(year, 3, 1) + r->day - 60;
	} else {
		day += r->day - 1;
	}
	return day * 86400 + r->time;
}

int32_t tz_offset(const struct tz *tz, int64_t seconds)
{
	int64_t year, begin, end;
	bool summer;

	if (!tz->has_summer)
		return tz->standard;
	year = text_date(seconds + tz->standard).year;
	begin = change(&tz->begin, year) - tz->standard;
	end = change(&tz->end, year) - tz->summer;
	/* in the south summer ends before it begins */
	summer = begin < end ? seconds >= begin && seconds < end : seconds >= begin || seconds < end;
	return summer ? tz->summer : tz->standard;
}

/* The last line of a file that begins as zones' files do. */
static bool read_file(const char *path, struct tz *tz)
{
	char bytes[FILE_MAX];
	struct span s = {bytes, 0};
	size_t from;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0)
		return false;
	n = read(fd, bytes, sizeof(bytes));
	close(fd);
	s.n = n > 0 ? (size_t)n : 0;
	if (!span_starts(s, "TZif") || bytes[s.n - 1] != '\n')
		return false;
	s.n--;
	for (from = s.n; bytes[from - 1] != '\n'; from--)
		if (from == 1)
			return false;
	return tz_read((struct span){bytes + from, s.n - from}, tz);
}

bool tz_find(const char *value, struct tz *tz)
{
	static const char folders[][24] = {"", "/usr/share/zoneinfo/", "/etc/zoneinfo/"};
	char path[128];

	*tz = (struct tz){0};
	if (!value || !*value) {
		read_file("/etc/localtime", tz);
		return true;
	}
	if (tz_read(span_of(value), tz))
		return true;
	value += *value == ':';
	for (size_t i = *value != '/'; i < (*value == '/' ? 1 : 3); i++) {
		if (text_print(path, sizeof(path), "%s%s", folders[i], value) < (int)sizeof(path) &&
		    read_file(path, tz))
			return true;
	}
	return !strcmp(value, "UTC") || !strcmp(value, "GMT");
}
