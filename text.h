/* text.h - spans of bytes, and the small readings of text that every part needs:
 * durations, globs, times, and making foreign text safe to print. Nothing allocates. */
#ifndef AUTOHEAL_TEXT_H
#define AUTOHEAL_TEXT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes that belong to somebody else; not terminated, valid as long as their owner says. */
struct span {
	const char *p;
	size_t n;
};

/* A C string as a span; NULL gives the empty span. */
struct span span_of(const char *s);
bool span_equal(struct span a, struct span b);
/* Whether s holds exactly the bytes of the C string word. */
bool span_is(struct span s, const char *word);
/* As span_is, but ASCII letters match in either case (HTTP field names, RFC 9110 5.1). */
bool span_is_nocase(struct span s, const char *word);
bool span_starts(struct span s, const char *prefix);
/* Without blanks, tabs and line ends at both ends. */
struct span span_trim(struct span s);
/* Cuts the next item of a list off *rest at the byte separator; false when nothing is left.
 * Items are trimmed; empty ones are passed over. */
bool span_next(struct span *rest, char separator, struct span *item);
/* Where word first stands in s, or NULL; takes time of their product at most. */
const char *span_find(struct span s, const char *word);
/* Copies s into out as a C string, cut to cap - 1 bytes; returns the bytes copied. */
size_t span_copy(struct span s, char *out, size_t cap);

/* What prints by a format, which stands at place `at` of the arguments: the compiler checks it. On x86 such a
 * function would begin with 70 bytes that keep what might be floating point, and nothing here prints that. */
#if defined(__x86_64__)
#define TEXT_PRINTS(at, first) \
	__attribute__((format(printf, at, first), target("general-regs-only")))
#else
#define TEXT_PRINTS(at, first) __attribute__((format(printf, at, first)))
#endif

/* snprintf without locale, floating point and stdio, which keeps 15 KiB out of the binary. Knows %s
 * %c %d %u %x and %% with the lengths l, ll and z, a width with or without 0, and a precision for %s.
 * Always terminated (cap >= 1); returns the length that the whole text has. */
int text_print(char *out, size_t cap, const char *format, ...) TEXT_PRINTS(3, 4);
int text_vprint(char *out, size_t cap, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));
/* The same without the terminating zero: all of room is for the text. */
int text_vput(char *out, size_t room, const char *format, va_list args)
    __attribute__((format(printf, 3, 0)));

/* Decimal digits only, at most max; false on anything else. */
bool text_number(struct span s, uint64_t max, uint64_t *out);
/* "90", "90s", "5m", "1h", "2d", "500ms" -> milliseconds, at most ten years. */
bool text_duration(struct span s, uint64_t *milliseconds);
/* true/false/1/0/yes/no/on/off in any case. */
bool text_boolean(struct span s, bool *out);
/* Shell-like pattern: * any run, ? one byte, [a-z] and [!a-z] sets, \ the next byte itself.
 * Bounded: time is at most the product of both lengths. */
bool text_glob(struct span pattern, struct span name);

/* A moment as calendar and clock show it: month and day from 1. */
struct text_date {
	int64_t year;
	unsigned month, day, hour, minute, second;
};
/* Days since 1970-01-01 of the Gregorian calendar, for years from 1 on; a month or day past its end counts on. */
int64_t text_days(int64_t year, int64_t month, int64_t day);
/* The date of so many seconds since 1970, negative ones before it. */
struct text_date text_date(int64_t seconds);

#define TEXT_TIME_SIZE 32
/* RFC 3339 in UTC with milliseconds, "2025-10-30T12:35:23.789Z"; wall is ms since 1970. */
size_t text_time(char out[TEXT_TIME_SIZE], int64_t wall);
/* Reads RFC 3339 with any fraction and offset, as engines print it, into ms since 1970. The
 * engine's "0001-01-01T00:00:00Z" (never) gives 0. */
bool text_read_time(struct span s, int64_t *wall);

/* Reads a date as HTTP prints it, "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, IMF-fixdate), into ms since 1970. */
bool text_read_http_date(struct span s, int64_t *wall);

/* The length of the well-formed UTF-8 character at p (1 to 4), or 0 where there is none.
 * *code receives the character. RFC 3629: no surrogates, no overlong forms. */
size_t text_utf8(const char *p, size_t n, uint32_t *code);
/* Whether a terminal or a reader could be fooled by this character: controls, C1, bidi marks and
 * overrides, line separators, zero-width characters, the byte order mark. */
bool text_unsafe(uint32_t code);
/* Copies foreign text so that it is safe in a log line: unsafe characters become \xNN or \u{NNNN},
 * invalid bytes \xNN. Always terminated; returns the bytes written, cut at a whole escape. */
size_t text_escape(struct span s, char *out, size_t cap);

/* Of texts that stand one behind another, each ended by a zero, the one at place n, counted from 0. */
const char *text_nth(const char *texts, unsigned n);

/* The value of a hex digit of either case, or -1. */
int text_hex_digit(char c);
/* The same of those that text_hex writes, in lower case. */
int text_hex_lower(char c);
/* 2n lowercase hex digits of n bytes, with a terminating zero. */
void text_hex(const uint8_t *bytes, size_t n, char *out);
/* The reverse; false when s is not exactly 2n hex digits. */
bool text_unhex(struct span s, uint8_t *bytes, size_t n);

/* A hash for tables. Names come from outside: the seed, random per process, keeps them from being chosen to collide. */
uint64_t text_hash(struct span s, uint64_t seed);

/* What errno says, in the words of libc. */
const char *text_error(int error);

#endif
