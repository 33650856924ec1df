/* json_write.c - the writer of json.h. */
#include "json.h"

#include <stdarg.h>
#include <string.h>

void json_start(struct json_writer *w, struct buf *out)
{
	*w = (struct json_writer){.out = out};
}

/* Before each value and key. */
static void comma(struct json_writer *w)
{
	if (w->need_comma)
		buf_add(w->out, ",", 1);
	w->need_comma = true;
}

void json_open(struct json_writer *w, char bracket)
{
	comma(w);
	buf_add(w->out, &bracket, 1);
	w->need_comma = false;
}

void json_close(struct json_writer *w, char bracket)
{
	buf_add(w->out, &bracket, 1);
	w->need_comma = true;
}

static void print_name(struct json_writer *w, struct span name)
{
	json_string(w, name);
	buf_add(w->out, ":", 1);
	w->need_comma = false;
}

void json_key(struct json_writer *w, const char *name)
{
	print_name(w, span_of(name));
}

/* How the character must be written where it cannot stand as it is; NULL where it can. What could fool a terminal
 * is escaped too: such an answer may be looked at with curl. */
static const char *escape_of(uint32_t code, char escape[8])
{
	static const char hex[] = "0123456789abcdef";
	static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *name;

	if (code != '"' && code != '\\' && !text_unsafe(code))
		return NULL;
	name = code > 0 && code < 0x80 ? strchr(named, (int)code) : NULL;
	if (name) {
		memcpy(escape, (char[]){'\\', names[name - named], 0}, 3);
		return escape;
	}
	memcpy(escape, "\\u", 2);
	for (int i = 0; i < 4; i++)
		escape[2 + i] = hex[code >> (12 - 4 * i) & 15];
	escape[6] = 0;
	return escape;
}

void json_string(struct json_writer *w, struct span s)
{
	size_t begin = 0, at = 0; /* bytes from begin to at can be copied as they stand */

	comma(w);
	buf_add(w->out, "\"", 1);
	while (at < s.n) {
		char escape[8];
		const char *instead;
		uint32_t code;
		size_t size = text_utf8(s.p + at, s.n - at, &code);

		instead = size == 0 ? "\xEF\xBF\xBD" : escape_of(code, escape);
		if (size == 0)
			size = 1;
		if (instead) {
			buf_add(w->out, s.p + begin, at - begin);
			buf_add_text(w->out, instead);
			begin = at + size;
		}
		at += size;
	}
	if (at > begin)
		buf_add(w->out, s.p + begin, at - begin);
	buf_add(w->out, "\"", 1);
}

void json_cstring(struct json_writer *w, const char *s)
{
	if (s)
		json_string(w, span_of(s));
	else
		json_null(w);
}

/* One argument, of the type that the directive, such as %.*s, says. */
static void print_argument(struct json_writer *w, struct span directive, va_list *args)
{
	char kind = directive.p[directive.n - 1];
	bool longer = directive.n > 2;
	unsigned n = 0;
	long long number = 0;
	const char *text;

	if (longer == (kind == 's'))
		number = n = va_arg(*args, unsigned);
	else if (longer)
		number = va_arg(*args, long long);
	if (kind == 's') {
		text = va_arg(*args, const char *);
		if (longer)
			json_string(w, (struct span){text, n});
		else
			json_cstring(w, text);
	} else if (kind == 'i') {
		json_time(w, number);
	} else if (kind == 'd' && !longer) {
		json_bool_value(w, n);
	} else {
		json_number(w, number);
	}
}

void json_print(struct json_writer *w, const char *format, ...)
{
	struct span rest = span_of(format), word;
	va_list args;

	va_start(args, format);
	while (span_next(&rest, ' ', &word)) {
		if (word.p[0] == '%')
			print_argument(w, word, &args);
		else if (strchr("{[", word.p[0]))
			json_open(w, word.p[0]);
		else if (strchr("}]", word.p[0]))
			json_close(w, word.p[0]);
		else
			print_name(w, word);
	}
	va_end(args);
}

void json_number(struct json_writer *w, int64_t v)
{
	comma(w);
	buf_print(w->out, "%lld", (long long)v);
}

void json_seconds(struct json_writer *w, uint64_t milliseconds)
{
	unsigned rest = (unsigned)(milliseconds % 1000);
	int digits = 3;

	comma(w);
	buf_print(w->out, "%llu", (unsigned long long)(milliseconds / 1000));
	if (rest == 0)
		return;
	for (; rest % 10 == 0; rest /= 10)
		digits--;
	buf_print(w->out, ".%0*u", digits, rest);
}

void json_bool_value(struct json_writer *w, bool v)
{
	json_raw_value(w, span_of(v ? "true" : "false"));
}

void json_null(struct json_writer *w)
{
	json_raw_value(w, span_of("null"));
}

void json_raw_value(struct json_writer *w, struct span s)
{
	comma(w);
	buf_add_span(w->out, s);
}

void json_time(struct json_writer *w, int64_t wall)
{
	char text[TEXT_TIME_SIZE];

	if (wall == 0) {
		json_null(w);
		return;
	}
	text_time(text, wall);
	json_cstring(w, text);
}
