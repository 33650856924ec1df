/* text.c - the small readings of text of text.h. */
#include "text.h"

#include <errno.h>
#include <string.h>
#include <sys/types.h>

#define GLOB_SET_MAX 64                               /* bytes of a set [...] with its brackets */
#define DURATION_MAX (10ull * 366 * 24 * 3600 * 1000) /* ten years, in ms */

struct span span_of(const char *s)
{
	return (struct span){s, s ? strlen(s) : 0};
}

bool span_equal(struct span a, struct span b)
{
	return a.n == b.n && (!a.n || !memcmp(a.p, b.p, a.n));
}

bool span_is(struct span s, const char *word)
{
	return span_equal(s, span_of(word));
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool span_is_nocase(struct span s, const char *word)
{
	if (strlen(word) != s.n)
		return false;
	for (size_t i = 0; i < s.n; i++)
		if (lower(s.p[i]) != lower(word[i]))
			return false;
	return true;
}

bool span_starts(struct span s, const char *prefix)
{
	size_t n = strlen(prefix);

	return s.n >= n && !memcmp(s.p, prefix, n);
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct span span_trim(struct span s)
{
	while (s.n && is_blank(s.p[0])) {
		s.p++;
		s.n--;
	}
	while (s.n && is_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

bool span_next(struct span *rest, char separator, struct span *item)
{
	while (rest->n) {
		const char *end = memchr(rest->p, separator, rest->n);
		size_t n = end ? (size_t)(end - rest->p) : rest->n;

		*item = span_trim((struct span){rest->p, n});
		n += end != NULL;
		rest->p += n;
		rest->n -= n;
		if (item->n)
			return true;
	}
	return false;
}

const char *span_find(struct span s, const char *word)
{
	const char *p;

	while (s.n && (p = memchr(s.p, word[0], s.n))) {
		s = (struct span){p, s.n - (size_t)(p - s.p)};
		if (span_starts(s, word))
			return p;
		s = (struct span){p + 1, s.n - 1};
	}
	return NULL;
}

size_t span_copy(struct span s, char *out, size_t cap)
{
	size_t n = s.n < cap ? s.n : cap - 1;

	if (n)
		memcpy(out, s.p, n);
	out[n] = 0;
	return n;
}

/* ---- text_print ------------------------------------------------------------------------------ */

struct print_out {
	char *p;
	size_t cap, n; /* n counts on where there is no room */
};

/* One conversion, as its percent sign began it. */
struct print_spec {
	size_t width, precision;
	bool zero, has_precision;
	char length; /* 'l', 'L' for ll, 'z', 0 */
	char kind;
};

static void put_byte(struct print_out *o, char c)
{
	if (o->n < o->cap)
		o->p[o->n] = c;
	o->n++;
}

static void put_padded(struct print_out *o, const struct print_spec *spec, const char *s, size_t n)
{
	for (size_t i = n; i < spec->width; i++)
		put_byte(o, spec->zero ? '0' : ' ');
	for (size_t i = 0; i < n; i++)
		put_byte(o, s[i]);
}

static void put_number(struct print_out *o, struct print_spec *spec, uint64_t v, bool negative)
{
	char digits[24];
	size_t at = sizeof(digits);
	unsigned base = spec->kind == 'x' ? 16 : 10;

	do {
		digits[--at] = "0123456789abcdef"[v % base];
		v /= base;
	} while (v);
	if (negative && spec->zero) {
		put_byte(o, '-');
		spec->width -= spec->width > 0;
	} else if (negative) {
		digits[--at] = '-';
	}
	put_padded(o, spec, digits + at, sizeof(digits) - at);
}

static const char *read_spec(const char *f, struct print_spec *spec, va_list *args)
{
	*spec = (struct print_spec){0};
	if (*f == '0') {
		spec->zero = true;
		f++;
	}
	if (*f == '*') {
		spec->width = (size_t)va_arg(*args, int);
		f++;
	}
	while (*f >= '0' && *f <= '9')
		spec->width = spec->width * 10 + (size_t)(*f++ - '0');
	if (*f == '.') {
		spec->has_precision = true;
		f++;
		if (*f == '*') {
			int given = va_arg(*args, int);

			spec->precision = given > 0 ? (size_t)given : 0;
			f++;
		}
		while (*f >= '0' && *f <= '9')
			spec->precision = spec->precision * 10 + (size_t)(*f++ - '0');
	}
	for (; *f == 'l' || *f == 'z'; f++)
		spec->length = spec->length == 'l' ? 'L' : *f;
	spec->kind = *f;
	return *f ? f + 1 : f;
}

static int64_t next_signed(const struct print_spec *spec, va_list *args)
{
	if (spec->length == 'L')
		return va_arg(*args, long long);
	if (spec->length == 'z')
		return va_arg(*args, ssize_t);
	return spec->length == 'l' ? va_arg(*args, long) : va_arg(*args, int);
}

static uint64_t next_unsigned(const struct print_spec *spec, va_list *args)
{
	if (spec->length == 'L')
		return va_arg(*args, unsigned long long);
	if (spec->length == 'z')
		return va_arg(*args, size_t);
	return spec->length == 'l' ? va_arg(*args, unsigned long) : va_arg(*args, unsigned);
}

static void put_integer(struct print_out *o, struct print_spec *spec, va_list *args)
{
	int64_t v;

	if (spec->kind != 'd') {
		put_number(o, spec, next_unsigned(spec, args), false);
		return;
	}
	v = next_signed(spec, args);
	put_number(o, spec, v < 0 ? 0 - (uint64_t)v : (uint64_t)v, v < 0);
}

static void put_string(struct print_out *o, const struct print_spec *spec, const char *s)
{
	size_t n;

	if (!s)
		s = "(none)";
	n = spec->has_precision ? strnlen(s, spec->precision) : strlen(s);
	put_padded(o, spec, s, n);
}

int text_vput(char *out, size_t room, const char *format, va_list given)
{
	struct print_out o = {.p = out, .cap = room};
	struct print_spec spec;
	const char *f = format;
	va_list args;

	va_copy(args, given);
	while (*f) {
		char c;

		if (*f != '%') {
			put_byte(&o, *f++);
			continue;
		}
		f = read_spec(f + 1, &spec, &args);
		if (spec.kind == 's') {
			put_string(&o, &spec, va_arg(args, const char *));
		} else if (spec.kind == 'c') {
			c = (char)va_arg(args, int);
			put_padded(&o, &spec, &c, 1);
		} else if (spec.kind == '%') {
			put_byte(&o, '%');
		} else {
			put_integer(&o, &spec, &args);
		}
	}
	va_end(args);
	return (int)o.n;
}

int text_vprint(char *out, size_t cap, const char *format, va_list args)
{
	int n = text_vput(out, cap - 1, format, args);

	out[(size_t)n < cap ? (size_t)n : cap - 1] = 0;
	return n;
}

int text_print(char *out, size_t cap, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = text_vprint(out, cap, format, args);
	va_end(args);
	return n;
}

bool text_number(struct span s, uint64_t max, uint64_t *out)
{
	uint64_t v = 0;

	if (!s.n)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		uint64_t digit = (uint64_t)(unsigned char)s.p[i] - '0';

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	if (v > max)
		return false;
	*out = v;
	return true;
}

static bool duration_unit(struct span unit, uint64_t *factor)
{
	static const struct {
		char name[4];
		uint32_t ms;
	} units[] = {{"", 1000}, {"s", 1000}, {"ms", 1}, {"m", 60 * 1000}, {"h", 3600 * 1000},
	    {"d", 24 * 3600 * 1000}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (span_is(unit, units[i].name)) {
			*factor = units[i].ms;
			return true;
		}
	}
	return false;
}

bool text_duration(struct span s, uint64_t *milliseconds)
{
	uint64_t number, factor;
	size_t digits = 0;

	s = span_trim(s);
	while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
		digits++;
	if (!text_number((struct span){s.p, digits}, DURATION_MAX, &number))
		return false;
	if (!duration_unit((struct span){s.p + digits, s.n - digits}, &factor))
		return false;
	if (number > DURATION_MAX / factor)
		return false;
	*milliseconds = number * factor;
	return true;
}

bool text_boolean(struct span s, bool *out)
{
	static const char words[][6] = {"true", "1", "yes", "on", "false", "0", "no", "off"};

	s = span_trim(s);
	for (size_t i = 0; i < 8; i++) {
		if (span_is_nocase(s, words[i])) {
			*out = i < 4;
			return true;
		}
	}
	return false;
}

/* Matches one byte against the set that begins at pattern[*at] == '['; moves *at behind it. A set
 * without an end is the byte '[' itself. */
static bool glob_set(struct span whole, size_t *at, char c)
{
	/* its end is looked for within so many bytes only, so that "[[[[..." takes no longer than text */
	struct span pattern = {whole.p, *at + GLOB_SET_MAX < whole.n ? *at + GLOB_SET_MAX : whole.n};
	size_t i = *at + 1;
	bool negated = i < pattern.n && (pattern.p[i] == '!' || pattern.p[i] == '^');
	bool hit = false, first = true;

	i += negated;
	while (i < pattern.n && (first || pattern.p[i] != ']')) {
		char low = pattern.p[i], high = low;

		if (i + 2 < pattern.n && pattern.p[i + 1] == '-' && pattern.p[i + 2] != ']') {
			high = pattern.p[i + 2];
			i += 2;
		}
		hit |= (unsigned char)c >= (unsigned char)low &&
		    (unsigned char)c <= (unsigned char)high;
		first = false;
		i++;
	}
	if (i >= pattern.n) {
		(*at)++;
		return c == '[';
	}
	*at = i + 1;
	return hit != negated;
}

static bool glob_one(struct span pattern, size_t *at, char c)
{
	char p = pattern.p[*at];

	if (p == '[')
		return glob_set(pattern, at, c);
	if (p == '\\' && *at + 1 < pattern.n)
		p = pattern.p[++*at];
	else if (p == '?')
		p = c;
	(*at)++;
	return p == c;
}

bool text_glob(struct span pattern, struct span name)
{
	size_t p = 0, n = 0, star = SIZE_MAX, mark = 0;

	/* The last star alone needs to be tried again: the earliest match of what stands before it
	 * leaves the most for what follows. */
	while (n < name.n) {
		size_t next = p;

		if (p < pattern.n && pattern.p[p] == '*') {
			star = p++;
			mark = n;
		} else if (p < pattern.n && glob_one(pattern, &next, name.p[n])) {
			p = next;
			n++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			n = ++mark;
		} else {
			return false;
		}
	}
	while (p < pattern.n && pattern.p[p] == '*')
		p++;
	return p == pattern.n;
}

/* Years are counted from March on, so that the leap day comes last and months follow one rule; and in
 * eras of 400 years, which all have as many days. */
enum { ERA_DAYS = 146097, FIRST_MARCH_TO_1970 = 719468 };

int64_t text_days(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t m = month > 2 ? month - 3 : month + 9;
	int64_t era = y / 400, in_era = y % 400;

	return era * ERA_DAYS + in_era * 365 + in_era / 4 - in_era / 100 + (153 * m + 2) / 5 + day -
	    1 - FIRST_MARCH_TO_1970;
}

/* Division that rounds down; what is left is never negative. */
static int64_t floor_div(int64_t v, int64_t by, unsigned *rest)
{
	int64_t q = v / by - (v % by < 0);

	*rest = (unsigned)(v - q * by);
	return q;
}

struct text_date text_date(int64_t seconds)
{
	unsigned second, day, year, m;
	int64_t days = floor_div(seconds, 86400, &second);
	int64_t era = floor_div(days + FIRST_MARCH_TO_1970, ERA_DAYS, &day);

	/* without the leap days before it each year has 365; the last day of an era is one itself */
	year = (day - day / 1460 + day / 36524 - day / (ERA_DAYS - 1)) / 365;
	day -= year * 365 + year / 4 - year / 100;
	m = (5 * day + 2) / 153;
	return (struct text_date){
	    .year = era * 400 + year + (m > 9),
	    .month = m > 9 ? m - 9 : m + 3,
	    .day = day - (153 * m + 2) / 5 + 1,
	    .hour = second / 3600,
	    .minute = second / 60 % 60,
	    .second = second % 60,
	};
}

size_t text_time(char out[TEXT_TIME_SIZE], int64_t wall)
{
	unsigned ms;
	struct text_date d = text_date(floor_div(wall, 1000, &ms));
	int n = text_print(out, TEXT_TIME_SIZE, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    (long long)d.year, d.month, d.day, d.hour, d.minute, d.second, ms);

	return n > 0 && n < TEXT_TIME_SIZE ? (size_t)n : 0;
}

/* Two or four digits at *p, moved on. */
static bool digits(struct span *s, size_t n, int64_t *out)
{
	uint64_t v;

	if (s->n < n || !text_number((struct span){s->p, n}, 9999, &v))
		return false;
	s->p += n;
	s->n -= n;
	*out = (int64_t)v;
	return true;
}

static bool mark(struct span *s, char c)
{
	if (!s->n || s->p[0] != c)
		return false;
	s->p++;
	s->n--;
	return true;
}

static bool read_offset(struct span *s, int64_t *minutes)
{
	int64_t hour, minute;
	bool minus;

	*minutes = 0;
	if (mark(s, 'Z') || mark(s, 'z'))
		return true;
	minus = mark(s, '-');
	if (!minus && !mark(s, '+'))
		return false;
	if (!digits(s, 2, &hour) || !mark(s, ':') || !digits(s, 2, &minute))
		return false;
	*minutes = (minus ? -1 : 1) * (hour * 60 + minute);
	return true;
}

bool text_read_time(struct span s, int64_t *wall)
{
	int64_t year, month, day, hour, minute, second, ms = 0, scale = 100, offset;

	if (!digits(&s, 4, &year) || !mark(&s, '-') || !digits(&s, 2, &month) || !mark(&s, '-') ||
	    !digits(&s, 2, &day))
		return false;
	if (!mark(&s, 'T') && !mark(&s, 't') && !mark(&s, ' '))
		return false;
	if (!digits(&s, 2, &hour) || !mark(&s, ':') || !digits(&s, 2, &minute) || !mark(&s, ':') ||
	    !digits(&s, 2, &second))
		return false;
	if (mark(&s, '.')) {
		int64_t digit;

		while (digits(&s, 1, &digit)) {
			ms += digit * scale;
			scale /= 10;
		}
	}
	if (!read_offset(&s, &offset) || s.n)
		return false;
	if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 || second > 60)
		return false;
	if (year < 1970) {
		*wall = 0;
		return true;
	}
	*wall = ((text_days(year, month, day) * 24 + hour) * 60 + minute - offset) * 60000 +
	    second * 1000 + ms;
	return true;
}

bool text_read_http_date(struct span s, int64_t *wall)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t day, month = 0, year, hour, minute, second;

	if (s.n != 29 || s.p[3] != ',')
		return false;
	s = (struct span){s.p + 5, s.n - 5};
	if (!digits(&s, 2, &day) || !mark(&s, ' '))
		return false;
	while (month < 12 && memcmp(months + 3 * month, s.p, 3))
		month++;
	s = (struct span){s.p + 3, s.n - 3};
	if (month == 12 || !mark(&s, ' ') || !digits(&s, 4, &year) || !mark(&s, ' ') ||
	    !digits(&s, 2, &hour) || !mark(&s, ':') || !digits(&s, 2, &minute) || !mark(&s, ':') ||
	    !digits(&s, 2, &second))
		return false;
	if (year < 1970 || !span_is(s, " GMT"))
		return false;
	*wall = ((text_days(year, month + 1, day) * 24 + hour) * 60 + minute) * 60000 + second * 1000;
	return true;
}

size_t text_utf8(const char *p, size_t n, uint32_t *code)
{
	const unsigned char *b = (const unsigned char *)p;
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	uint32_t c;
	size_t length;

	if (!n)
		return 0;
	if (b[0] < 0x80) {
		*code = b[0];
		return 1;
	}
	if (b[0] < 0xC2 || b[0] > 0xF4)
		return 0;
	length = b[0] >= 0xF0 ? 4 : b[0] >= 0xE0 ? 3 : 2;
	if (n < length)
		return 0;
	c = b[0] & (0x7Fu >> length);
	for (size_t i = 1; i < length; i++) {
		if ((b[i] & 0xC0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3Fu);
	}
	if (c < least[length] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
		return 0;
	*code = c;
	return length;
}

bool text_unsafe(uint32_t c)
{
	if (c < 0x20 || (c >= 0x7F && c <= 0x9F))
		return true;
	if (c < 0x61C)
		return c == 0xAD;
	return c == 0x61C || (c >= 0x200B && c <= 0x200F) || (c >= 0x2028 && c <= 0x202E) ||
	    (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB);
}

size_t text_escape(struct span s, char *out, size_t cap)
{
	size_t done = 0, i = 0;

	while (i < s.n) {
		uint32_t code = 0;
		size_t n = text_utf8(s.p + i, s.n - i, &code);
		char escape[16];
		const char *from = s.p + i;
		size_t length = n;

		if (!n || text_unsafe(code)) {
			unsigned value = n ? (unsigned)code : (unsigned char)s.p[i];

			length = (size_t)text_print(
			    escape, sizeof(escape), value < 0x100 ? "\\x%02x" : "\\u{%x}", value);
			from = escape;
		}
		if (done + length >= cap)
			break;
		memcpy(out + done, from, length);
		done += length;
		i += n ? n : 1;
	}
	out[done] = 0;
	return done;
}

void text_hex(const uint8_t *bytes, size_t n, char *out)
{
	static const char hex[] = "0123456789abcdef";

	for (size_t i = 0; i < n; i++) {
		out[2 * i] = hex[bytes[i] >> 4];
		out[2 * i + 1] = hex[bytes[i] & 15];
	}
	out[2 * n] = 0;
}

const char *text_nth(const char *texts, unsigned n)
{
	while (n--)
		texts += strlen(texts) + 1;
	return texts;
}

int text_hex_digit(char c)
{
	char low = (char)(c | 0x20);

	if (c >= '0' && c <= '9')
		return c - '0';
	return low >= 'a' && low <= 'f' ? low - 'a' + 10 : -1;
}

int text_hex_lower(char c)
{
	return c <= 'F' && c >= 'A' ? -1 : text_hex_digit(c);
}

bool text_unhex(struct span s, uint8_t *bytes, size_t n)
{
	if (s.n != 2 * n)
		return false;
	for (size_t i = 0; i < n; i++) {
		int high = text_hex_lower(s.p[2 * i]), low = text_hex_lower(s.p[2 * i + 1]);

		if (high < 0 || low < 0)
			return false;
		bytes[i] = (uint8_t)(high << 4 | low);
	}
	return true;
}

uint64_t text_hash(struct span s, uint64_t seed)
{
	uint64_t h = seed ^ 0x9E3779B97F4A7C15u;

	for (size_t i = 0; i < s.n; i++) {
		h = (h ^ (unsigned char)s.p[i]) * 0x100000001B3u;
		h ^= h >> 29;
	}
	h *= 0xBF58476D1CE4E5B9u;
	return h ^ h >> 32;
}

const char *text_error(int error)
{
	/* those that files, sockets and processes bring; libc's table of all is four times as large */
	static const struct {
		uint8_t number;
		const char *words;
	} known[] = {
	    {EPERM, "Operation not permitted"},
	    {ENOENT, "No such file or directory"},
	    {EINTR, "Interrupted system call"},
	    {EIO, "Input/output error"},
	    {ENXIO, "No such device or address"},
	    {E2BIG, "Argument list too long"},
	    {ENOEXEC, "Exec format error"},
	    {EBADF, "Bad file descriptor"},
	    {EAGAIN, "Resource temporarily unavailable"},
	    {ENOMEM, "Cannot allocate memory"},
	    {EACCES, "Permission denied"},
	    {EBUSY, "Device or resource busy"},
	    {EEXIST, "File exists"},
	    {ENODEV, "No such device"},
	    {ENOTDIR, "Not a directory"},
	    {EISDIR, "Is a directory"},
	    {EINVAL, "Invalid argument"},
	    {ENFILE, "Too many open files in system"},
	    {EMFILE, "Too many open files"},
	    {ETXTBSY, "Text file busy"},
	    {EFBIG, "File too large"},
	    {ENOSPC, "No space left on device"},
	    {EROFS, "Read-only file system"},
	    {EPIPE, "Broken pipe"},
	    {ENAMETOOLONG, "File name too long"},
	    {ENOLCK, "No locks available"},
	    {ENOSYS, "Function not implemented"},
	    {ELOOP, "Too many levels of symbolic links"},
	    {EPROTO, "Protocol error"},
	    {EOPNOTSUPP, "Operation not supported"},
	    {EAFNOSUPPORT, "Address family not supported by protocol"},
	    {EADDRINUSE, "Address already in use"},
	    {EADDRNOTAVAIL, "Cannot assign requested address"},
	    {ENETDOWN, "Network is down"},
	    {ENETUNREACH, "Network is unreachable"},
	    {ECONNABORTED, "Software caused connection abort"},
	    {ECONNRESET, "Connection reset by peer"},
	    {ENOBUFS, "No buffer space available"},
	    {ENOTCONN, "Transport endpoint is not connected"},
	    {ETIMEDOUT, "Connection timed out"},
	    {ECONNREFUSED, "Connection refused"},
	    {EHOSTDOWN, "Host is down"},
	    {EHOSTUNREACH, "No route to host"},
	    {ESTALE, "Stale file handle"},
	    {EDQUOT, "Disk quota exceeded"},
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].number == error)
			return known[i].words;
	return "An error that is not known here";
}
