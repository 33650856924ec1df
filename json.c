/* json.c - splits streams into JSON values, looks things up in one value, and checks JSON; of json.h. */

/* jsmn's code goes in here, private to this file: inlined, its state stays in registers. */
#define JSMN_STATIC
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <jsmn.h>

#include "json.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define PARTIAL_KEEP 4096 /* memory a splitter keeps between values */

_Static_assert(JSON_DEPTH_MAX <= 64, "kinds of open brackets are bits of one word");
_Static_assert(JSON_VALUE_MAX < INT_MAX, "jsmn's offsets are ints");

/* ---- bytes ---------------------------------------------------------------------------------- */

enum byte_class {
	BYTE_OTHER,
	BYTE_SPACE,  /* RFC 8259 2 */
	BYTE_SCALAR, /* may occur in a number or a word */
	BYTE_QUOTE,
	BYTE_OPEN,
	BYTE_CLOSE,
};

/* clang-format off */
static const uint8_t byte_class[256] = {
	['\t'] = BYTE_SPACE, ['\n'] = BYTE_SPACE, ['\r'] = BYTE_SPACE, [' '] = BYTE_SPACE,
	['"'] = BYTE_QUOTE,
	['{'] = BYTE_OPEN, ['['] = BYTE_OPEN, ['}'] = BYTE_CLOSE, [']'] = BYTE_CLOSE,
	['0'] = BYTE_SCALAR, ['1'] = BYTE_SCALAR, ['2'] = BYTE_SCALAR, ['3'] = BYTE_SCALAR,
	['4'] = BYTE_SCALAR, ['5'] = BYTE_SCALAR, ['6'] = BYTE_SCALAR, ['7'] = BYTE_SCALAR,
	['8'] = BYTE_SCALAR, ['9'] = BYTE_SCALAR, ['+'] = BYTE_SCALAR, ['-'] = BYTE_SCALAR,
	['.'] = BYTE_SCALAR, ['E'] = BYTE_SCALAR, ['a'] = BYTE_SCALAR, ['e'] = BYTE_SCALAR,
	['f'] = BYTE_SCALAR, ['l'] = BYTE_SCALAR, ['n'] = BYTE_SCALAR, ['r'] = BYTE_SCALAR,
	['s'] = BYTE_SCALAR, ['t'] = BYTE_SCALAR, ['u'] = BYTE_SCALAR,
};
/* clang-format on */

static enum byte_class class_of(char c)
{
	return (enum byte_class)byte_class[(unsigned char)c];
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* Whether a byte of the word is this one: a nonzero result's lowest bit stands in the first such
 * byte. */
static uint64_t word_has(uint64_t word, char byte)
{
	const uint64_t ones = 0x0101010101010101u;
	uint64_t x = word ^ (ones * (unsigned char)byte);

	return (x - ones) & ~x & (ones << 7);
}

/* The first quote or backslash, or end. Eight bytes a step: strings are most of what an engine
 * sends, and most are too short to be worth a call of memchr. */
static const char *string_stop(const char *at, const char *end)
{
	while (end - at >= 8) {
		uint64_t word, hit;

		memcpy(&word, at, sizeof word);
		hit = word_has(word, '"') | word_has(word, '\\');
		if (hit) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
			return at + __builtin_ctzll(hit) / 8;
#else
			break;
#endif
		}
		at += 8;
	}
	while (at < end && *at != '"' && *at != '\\')
		at++;
	return at;
}

static struct span trim_space(struct span s)
{
	while (s.n > 0 && class_of(s.p[0]) == BYTE_SPACE) {
		s.p++;
		s.n--;
	}
	while (s.n > 0 && class_of(s.p[s.n - 1]) == BYTE_SPACE)
		s.n--;
	return s;
}

/* ---- splitter ------------------------------------------------------------------------------- */

/* What may come next outside the values. */
enum place {
	PLACE_STREAM,  /* any value */
	PLACE_FIRST,   /* the list's bracket, or a value instead of a list */
	PLACE_ELEMENT, /* the first element, or the end of the list */
	PLACE_NEXT,    /* an element */
	PLACE_COMMA,   /* a comma, or the end of the list */
	PLACE_AFTER,   /* nothing more */
};

void json_split_init(struct json_splitter *s, enum json_split_mode mode)
{
	*s = (struct json_splitter){.mode = mode};
	s->place = mode == JSON_ARRAY ? PLACE_FIRST : PLACE_STREAM;
	buf_init(&s->partial, JSON_VALUE_MAX);
}

void json_split_free(struct json_splitter *s)
{
	buf_free(&s->partial);
}

static void forget_partial(struct json_splitter *s)
{
	s->partial.n = 0;
	if (s->partial.cap > PARTIAL_KEEP)
		buf_free(&s->partial);
}

void json_split_reset(struct json_splitter *s)
{
	struct json_splitter old = *s;

	forget_partial(&old);
	*s = (struct json_splitter){.mode = old.mode, .skipped = old.skipped, .partial = old.partial};
	s->place = old.mode == JSON_ARRAY ? PLACE_FIRST : PLACE_STREAM;
}

static bool in_value(const struct json_splitter *s)
{
	return s->depth > 0 || s->in_string || s->in_scalar;
}

bool json_split_complete(const struct json_splitter *s)
{
	return !s->bad && !in_value(s) && (s->place == PLACE_STREAM || s->place == PLACE_AFTER);
}

bool json_split_is_array(const struct json_splitter *s)
{
	return s->mode == JSON_ARRAY && s->place != PLACE_STREAM;
}

/* Drops the value now being read, whose remaining bytes are only looked at for its end. */
static void skip_value(struct json_splitter *s)
{
	if (s->skipping)
		return;
	s->skipping = true;
	s->skipped++;
	buf_free(&s->partial);
}

static void open_bracket(struct json_splitter *s, char c)
{
	if (s->depth >= JSON_DEPTH_MAX)
		skip_value(s);
	else
		s->kinds = s->kinds << 1 | (c == '[');
	s->depth++;
}

/* False when the bracket closes another kind than was opened. Beyond the limit kinds are not
 * known. */
static bool close_bracket(struct json_splitter *s, char c)
{
	s->depth--;
	if (s->depth >= JSON_DEPTH_MAX)
		return true;
	if ((s->kinds & 1) != (c == ']'))
		return false;
	s->kinds >>= 1;
	return true;
}

/* Notes what kind of value begins with c; false when none can. */
static bool begin_value(struct json_splitter *s, char c)
{
	switch (class_of(c)) {
	case BYTE_OPEN:
		open_bracket(s, c);
		break;
	case BYTE_QUOTE:
		s->in_string = true;
		break;
	case BYTE_SCALAR:
		if (c != '-' && !is_digit(c) && c != 't' && c != 'f' && c != 'n')
			return false;
		s->in_scalar = true;
		break;
	default:
		return false;
	}
	if (s->place != PLACE_STREAM)
		s->place = s->place == PLACE_FIRST ? PLACE_STREAM : PLACE_COMMA;
	return true;
}

/* Passes over what stands between values. Returns where one begins (noted already), or end; or
 * sets bad. */
static const char *find_value(struct json_splitter *s, const char *at, const char *end)
{
	for (; at < end; at++) {
		if (class_of(*at) == BYTE_SPACE || (*at == 0x1E && s->mode == JSON_STREAM)) {
			continue;
		} else if (s->place == PLACE_FIRST && *at == '[') {
			s->place = PLACE_ELEMENT;
		} else if (s->place == PLACE_COMMA && *at == ',') {
			s->place = PLACE_NEXT;
		} else if ((s->place == PLACE_COMMA || s->place == PLACE_ELEMENT) && *at == ']') {
			s->place = PLACE_AFTER;
		} else {
			s->bad = s->place == PLACE_COMMA || s->place == PLACE_AFTER ||
			    !begin_value(s, *at);
			return at;
		}
	}
	return end;
}

/* Goes on inside a string, to the byte behind its quote or to end. */
static const char *scan_string(struct json_splitter *s, const char *at, const char *end)
{
	if (s->escaped && at < end) {
		s->escaped = false;
		at++;
	}
	while ((at = string_stop(at, end)) < end) {
		if (*at == '"') {
			s->in_string = false;
			return at + 1;
		}
		if (end - at < 2) {
			s->escaped = true;
			return end;
		}
		at += 2;
	}
	return at;
}

static const char *scan_scalar(struct json_splitter *s, const char *at, const char *end)
{
	while (at < end && class_of(*at) == BYTE_SCALAR)
		at++;
	s->in_scalar = at == end;
	return at;
}

/* Goes on inside a value, to the byte behind its end (in_value is false then) or to end; or sets
 * bad. */
static const char *scan_value(struct json_splitter *s, const char *at, const char *end)
{
	if (s->in_scalar)
		return scan_scalar(s, at, end);
	if (s->in_string)
		at = scan_string(s, at, end);
	if (s->depth == 0)
		return at;
	while (at < end) {
		char c = *at++;

		switch (class_of(c)) {
		case BYTE_QUOTE:
			s->in_string = true;
			at = scan_string(s, at, end);
			break;
		case BYTE_OPEN:
			open_bracket(s, c);
			break;
		case BYTE_CLOSE:
			s->bad = !close_bracket(s, c);
			if (s->depth == 0 || s->bad)
				return at;
			break;
		default:
			break;
		}
	}
	return at;
}

/* Keeps the beginning of a value for later. Over the limit, or without memory, the value is
 * skipped. */
static void keep_partial(struct json_splitter *s, const char *begin, const char *end)
{
	if (s->skipping)
		return;
	buf_add(&s->partial, begin, (size_t)(end - begin));
	s->starved |= s->partial.starved;
	if (s->partial.failed)
		skip_value(s);
}

/* A value has ended. False when it was skipped. */
static bool hand_out(struct json_splitter *s, const char *begin, const char *end, struct span *out)
{
	bool skipped;

	*out = (struct span){begin, (size_t)(end - begin)};
	if (s->partial.n > 0) {
		keep_partial(s, begin, end);
		*out = (struct span){s->partial.p, s->partial.n};
	}
	if (out->n > JSON_VALUE_MAX)
		skip_value(s);
	skipped = s->skipping;
	s->skipping = false;
	return !skipped;
}

int json_split(struct json_splitter *s, const char **p, size_t *n, struct span *value)
{
	const char *at = *p, *end = at + *n;
	int found = 0;

	if (s->bad)
		return -1;
	if (!in_value(s))
		forget_partial(s);
	while (at < end && !found) {
		const char *begin = at;

		if (!in_value(s)) {
			begin = at = find_value(s, at, end);
			if (at == end || s->bad)
				break;
			at++;
		}
		at = scan_value(s, at, end);
		if (s->bad)
			break;
		if (in_value(s))
			keep_partial(s, begin, at);
		else
			found = hand_out(s, begin, at, value);
	}
	*p = at;
	*n = (size_t)(end - at);
	return s->bad ? -1 : found;
}

/* ---- numbers and words ---------------------------------------------------------------------- */

static bool scan_digits(struct span s, size_t *at)
{
	size_t begin = *at;

	while (*at < s.n && is_digit(s.p[*at]))
		++*at;
	return *at > begin;
}

/* Moves *at over a number (RFC 8259 6); on false it stands at the first byte that does not fit. */
static bool scan_number(struct span s, size_t *at)
{
	if (*at < s.n && s.p[*at] == '-')
		++*at;
	if (*at < s.n && s.p[*at] == '0')
		++*at;
	else if (!scan_digits(s, at))
		return false;
	if (*at < s.n && s.p[*at] == '.') {
		++*at;
		if (!scan_digits(s, at))
			return false;
	}
	if (*at < s.n && (s.p[*at] == 'e' || s.p[*at] == 'E')) {
		++*at;
		if (*at < s.n && (s.p[*at] == '+' || s.p[*at] == '-'))
			++*at;
		if (!scan_digits(s, at))
			return false;
	}
	return true;
}

/* The same for true, false and null. */
static bool scan_word(struct span s, size_t *at)
{
	const char *word = s.p[*at] == 't' ? "true" : s.p[*at] == 'f' ? "false" : "null";

	for (; *word; word++, ++*at) {
		if (*at >= s.n || s.p[*at] != *word)
			return false;
	}
	return true;
}

static bool scan_primitive(struct span s, size_t *at)
{
	if (*at < s.n && (s.p[*at] == '-' || is_digit(s.p[*at])))
		return scan_number(s, at);
	return *at < s.n && scan_word(s, at);
}

static bool is_primitive(struct span s)
{
	size_t at = 0;

	return scan_primitive(s, &at) && at == s.n;
}

/* ---- tokens --------------------------------------------------------------------------------- */

static bool is_container(const jsmntok_t *t)
{
	return t->type == JSMN_OBJECT || t->type == JSMN_ARRAY;
}

/* Whether token i may stand where it does, directly inside the object or array `inside` (-1: it
 * is the root). Even strict, jsmn takes {"a"}, {"a" "b"}, ["a":1], [[]:1] and trueish. */
static bool token_fits(const struct json *j, int i, int inside)
{
	const jsmntok_t *t = &j->tokens[i];
	bool key = inside >= 0 && j->tokens[inside].type == JSMN_OBJECT && t->parent == inside;

	if (key)
		return t->type == JSMN_STRING && t->size == 1;
	if (t->type == JSMN_PRIMITIVE && !is_primitive(json_raw(j, i)))
		return false;
	if (inside < 0)
		return i == 0;
	if (j->tokens[inside].type == JSMN_ARRAY)
		return t->parent == inside;
	/* the value of a member: jsmn hangs it on its key, which is the token before */
	return t->parent == i - 1 && j->tokens[i - 1].parent == inside;
}

/* Checks that the tokens form a tree, and leaves in the parent of each object and array, which is
 * of no more use, the index of the first token behind it. */
static bool check_tokens(struct json *j)
{
	int open[JSON_DEPTH_MAX]; /* the objects and arrays around the token */
	int depth = 0;

	for (int i = 0; i < j->count; i++) {
		const jsmntok_t *t = &j->tokens[i];

		while (depth > 0 && j->tokens[open[depth - 1]].end <= t->start)
			j->tokens[open[--depth]].parent = i;
		if (!token_fits(j, i, depth > 0 ? open[depth - 1] : -1))
			return false;
		if (!is_container(t))
			continue;
		if (depth == JSON_DEPTH_MAX)
			return false;
		open[depth++] = i;
	}
	while (depth > 0)
		j->tokens[open[--depth]].parent = j->count;
	return true;
}

/* Whether the root's token is the whole value: jsmn stops at a zero byte, and takes several
 * roots. */
static bool root_is_whole(const struct json *j)
{
	const jsmntok_t *root = &j->tokens[0];
	int quote = root->type == JSMN_STRING;

	return root->start == quote && (size_t)root->end + (size_t)quote == j->n;
}

static int tokenize(struct json *j)
{
	jsmn_parser parser;

	if (byte_class[(unsigned char)j->p[0]] == BYTE_SCALAR) {
		/* jsmn in strict mode knows no number or word without something behind it */
		j->tokens[0] = (jsmntok_t){JSMN_PRIMITIVE, 0, (int)j->n, 0, -1};
		return 1;
	}
	jsmn_init(&parser);
	return jsmn_parse(&parser, j->p, j->n, j->tokens, (unsigned)j->capacity);
}

int json_parse(struct json *j, struct span value, jsmntok_t *tokens, int capacity)
{
	value = trim_space(value);
	*j = (struct json){.p = value.p, .n = value.n, .tokens = tokens, .capacity = capacity};
	if (value.n == 0 || value.n > INT_MAX || capacity < 1)
		return -1;
	j->count = tokenize(j);
	if (j->count < 1 || !root_is_whole(j) || !check_tokens(j)) {
		j->count = 0;
		return -1;
	}
	j->escaped = memchr(j->p, '\\', j->n) != NULL;
	return 0;
}

jsmntok_t *json_tokens(struct span text, int *capacity)
{
	size_t n = 1; /* each but the first stands behind one of these */

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] && strchr(",:[{", text.p[i]);
	*capacity = (int)n;
	return malloc(n * sizeof(jsmntok_t));
}

/* The token, or NULL where there is none of this type. */
static const jsmntok_t *token_of(const struct json *j, int token, jsmntype_t type)
{
	if (token < 0 || token >= j->count || j->tokens[token].type != type)
		return NULL;
	return &j->tokens[token];
}

/* The index of the first token behind this one and all that it holds. */
static int behind(const struct json *j, int token)
{
	const jsmntok_t *t = &j->tokens[token];

	return is_container(t) && t->parent > token ? t->parent : token + 1;
}

bool json_is_object(const struct json *j, int token)
{
	return token_of(j, token, JSMN_OBJECT) != NULL;
}

bool json_is_array(const struct json *j, int token)
{
	return token_of(j, token, JSMN_ARRAY) != NULL;
}

bool json_is_string(const struct json *j, int token)
{
	return token_of(j, token, JSMN_STRING) != NULL;
}

bool json_is_null(const struct json *j, int token)
{
	if (token < 0 || token >= j->count)
		return true;
	return token_of(j, token, JSMN_PRIMITIVE) && json_raw(j, token).p[0] == 'n';
}

struct span json_raw(const struct json *j, int token)
{
	const jsmntok_t *t;

	if (token < 0 || token >= j->count)
		return (struct span){"", 0};
	t = &j->tokens[token];
	if (t->start < 0 || t->end < t->start || (size_t)t->end > j->n)
		return (struct span){"", 0};
	return (struct span){j->p + t->start, (size_t)(t->end - t->start)};
}

/* ---- text of strings ------------------------------------------------------------------------ */

static bool read_hex(const char *p, size_t n, uint32_t *code)
{
	*code = 0;
	for (size_t i = 0; i < 4; i++) {
		int digit = i < n ? text_hex_digit(p[i]) : -1;

		if (digit < 0)
			return false;
		*code = *code << 4 | (uint32_t)digit;
	}
	return true;
}

static size_t put_utf8(uint32_t code, char out[4])
{
	if (code < 0x80) {
		out[0] = (char)code;
		return 1;
	}
	if (code < 0x800) {
		out[0] = (char)(0xC0 | code >> 6);
		out[1] = (char)(0x80 | (code & 0x3F));
		return 2;
	}
	if (code < 0x10000) {
		out[0] = (char)(0xE0 | code >> 12);
		out[1] = (char)(0x80 | (code >> 6 & 0x3F));
		out[2] = (char)(0x80 | (code & 0x3F));
		return 3;
	}
	out[0] = (char)(0xF0 | code >> 18);
	out[1] = (char)(0x80 | (code >> 12 & 0x3F));
	out[2] = (char)(0x80 | (code >> 6 & 0x3F));
	out[3] = (char)(0x80 | (code & 0x3F));
	return 4;
}

/* Takes \uXXXX, or a surrogate pair of two (RFC 8259 7), off the front of s. Half a pair and
 * zero, which would end a C string, become U+FFFD. */
static uint32_t take_unicode(struct span *s)
{
	uint32_t code, low;
	size_t used = 6;

	if (!read_hex(s->p + 2, s->n - 2, &code)) {
		code = 0;
		used = 2;
	} else if (code >= 0xD800 && code < 0xDC00 && s->n >= 12 && s->p[6] == '\\' &&
	    s->p[7] == 'u' && read_hex(s->p + 8, s->n - 8, &low) && low >= 0xDC00 && low < 0xE000) {
		code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
		used = 12;
	}
	s->p += used;
	s->n -= used;
	return code == 0 || (code >= 0xD800 && code < 0xE000) ? 0xFFFD : code;
}

/* Takes one character, escaped or not, off the front of s, which is not empty. Returns its bytes
 * in out. */
static size_t take_character(struct span *s, char out[4])
{
	static const char names[] = "bfnrt", codes[] = "\b\f\n\r\t";
	const char *name;
	uint32_t code;
	size_t size;

	if (s->p[0] == '\\' && s->n >= 2 && s->p[1] == 'u')
		return put_utf8(take_unicode(s), out);
	if (s->p[0] == '\\' && s->n >= 2) {
		name = strchr(names, s->p[1]);
		out[0] = name && *name ? codes[name - names] : s->p[1];
		s->p += 2;
		s->n -= 2;
		return 1;
	}
	size = text_utf8(s->p, s->n, &code);
	if (size == 0)
		size = 1;
	memcpy(out, s->p, size);
	s->p += size;
	s->n -= size;
	return size;
}

/* Whether the bytes of a string token, decoded, are this text. */
static bool raw_is(const struct json *j, struct span raw, struct span text)
{
	if (!j->escaped)
		return raw.n == text.n && memcmp(raw.p, text.p, raw.n) == 0;
	while (raw.n > 0) {
		char bytes[4];
		size_t size = take_character(&raw, bytes);

		if (size > text.n || memcmp(bytes, text.p, size) != 0)
			return false;
		text.p += size;
		text.n -= size;
	}
	return text.n == 0;
}

size_t json_text(const struct json *j, int token, char *out, size_t cap)
{
	struct span raw = json_raw(j, token);
	size_t n = 0;

	if (cap == 0)
		return 0;
	if (!json_is_string(j, token))
		raw.n = 0;
	if (!j->escaped && raw.n < cap) {
		memcpy(out, raw.p, raw.n);
		n = raw.n;
		raw.n = 0;
	}
	while (raw.n > 0) {
		char bytes[4];
		size_t size = take_character(&raw, bytes);

		if (size > cap - 1 - n)
			break;
		memcpy(out + n, bytes, size);
		n += size;
	}
	out[n] = 0;
	return n;
}

/* ---- look-ups ------------------------------------------------------------------------------- */

/* Steps to the next direct child of a container: from -1 to the first, from `last` over it. -1 at
 * the end. */
static int next_child(const struct json *j, int container, int last)
{
	int next = last < 0 ? container + 1 : last < j->count ? behind(j, last) : j->count;

	if (next <= container || next >= j->count)
		return -1;
	return j->tokens[next].start < j->tokens[container].end ? next : -1;
}

bool json_next_member(const struct json *j, int object, int *key, int *value)
{
	int next;

	if (!json_is_object(j, object) || *key >= j->count)
		return false;
	next = next_child(j, object, *key < 0 ? -1 : *key + 1);
	if (next < 0 || next + 1 >= j->count)
		return false;
	*key = next;
	*value = next + 1;
	return true;
}

bool json_next_element(const struct json *j, int array, int *element)
{
	int next = json_is_array(j, array) ? next_child(j, array, *element) : -1;

	if (next < 0)
		return false;
	*element = next;
	return true;
}

int json_member(const struct json *j, int object, struct span key)
{
	int name = -1, value;

	while (json_next_member(j, object, &name, &value)) {
		if (raw_is(j, json_raw(j, name), key))
			return value;
	}
	return -1;
}

int json_get(const struct json *j, int object, const char *path)
{
	while (object >= 0) {
		size_t n = 0;

		while (path[n] && path[n] != '.')
			n++;
		object = json_member(j, object, (struct span){path, n});
		if (path[n] == 0)
			return object;
		path += n + 1;
	}
	return -1;
}

bool json_is(const struct json *j, int token, const char *text)
{
	return json_is_string(j, token) && raw_is(j, json_raw(j, token), span_of(text));
}

bool json_bool(const struct json *j, int token, bool otherwise)
{
	struct span raw = json_raw(j, token);

	if (!token_of(j, token, JSMN_PRIMITIVE))
		return otherwise;
	return raw.p[0] == 't' ? true : raw.p[0] == 'f' ? false : otherwise;
}

int64_t json_int(const struct json *j, int token, int64_t otherwise)
{
	struct span raw = json_raw(j, token);
	bool negative = raw.n > 0 && raw.p[0] == '-';
	uint64_t number;

	if (!token_of(j, token, JSMN_PRIMITIVE))
		return otherwise;
	if (negative) {
		raw.p++;
		raw.n--;
	}
	if (!text_number(raw, (uint64_t)INT64_MAX + negative, &number))
		return otherwise;
	if (!negative)
		return (int64_t)number;
	return number > INT64_MAX ? INT64_MIN : -(int64_t)number;
}

/* ---- strict check --------------------------------------------------------------------------- */

struct checker {
	struct span text;
	size_t at;
	int depth;
	uint64_t kinds; /* as in the splitter */
};

/* The next byte, or 0 at the end; a zero byte in the text fits nowhere either. */
static char peek(const struct checker *c)
{
	return c->at < c->text.n ? c->text.p[c->at] : 0;
}

static void skip_space(struct checker *c)
{
	while (c->at < c->text.n && class_of(c->text.p[c->at]) == BYTE_SPACE)
		c->at++;
}

static bool check_escape(struct checker *c)
{
	char e;

	c->at++;
	e = peek(c);
	if (e == 0 || !strchr("\"\\/bfnrtu", e))
		return false;
	c->at++;
	for (int i = 0; e == 'u' && i < 4; i++, c->at++) {
		char low = (char)(peek(c) | 0x20);

		if (!is_digit(peek(c)) && !(low >= 'a' && low <= 'f'))
			return false;
	}
	return true;
}

static bool check_string(struct checker *c)
{
	uint32_t code;

	if (peek(c) != '"')
		return false;
	c->at++;
	while (peek(c) != '"') {
		size_t size = text_utf8(c->text.p + c->at, c->text.n - c->at, &code);

		if (size == 0 || code < 0x20)
			return false;
		if (code != '\\')
			c->at += size;
		else if (!check_escape(c))
			return false;
	}
	c->at++;
	return true;
}

/* "name": with the space around it */
static bool check_key(struct checker *c)
{
	skip_space(c);
	if (!check_string(c))
		return false;
	skip_space(c);
	if (peek(c) != ':')
		return false;
	c->at++;
	return true;
}

static bool in_object(const struct checker *c)
{
	return (c->kinds & 1) == 0;
}

static bool at_close(const struct checker *c)
{
	return peek(c) == (in_object(c) ? '}' : ']');
}

static bool check_open(struct checker *c)
{
	if (c->depth == JSON_DEPTH_MAX)
		return false;
	c->kinds = c->kinds << 1 | (peek(c) == '[');
	c->depth++;
	c->at++;
	skip_space(c);
	return true;
}

/* What follows a value: closing brackets, then a comma (with the next member's name) or the end. */
static bool check_after(struct checker *c)
{
	for (skip_space(c); c->depth > 0 && at_close(c); skip_space(c)) {
		c->at++;
		c->depth--;
		c->kinds >>= 1;
	}
	if (c->depth == 0)
		return c->at == c->text.n;
	if (peek(c) != ',')
		return false;
	c->at++;
	return !in_object(c) || check_key(c);
}

static bool check_all(struct checker *c)
{
	do {
		skip_space(c);
		if (peek(c) == '{' || peek(c) == '[') {
			if (!check_open(c))
				return false;
			if (!at_close(c)) {
				if (in_object(c) && !check_key(c))
					return false;
				continue;
			}
		} else if (peek(c) == '"' ? !check_string(c) : !scan_primitive(c->text, &c->at)) {
			return false;
		}
		if (!check_after(c))
			return false;
	} while (c->depth > 0);
	return true;
}

bool json_valid(struct span text, size_t *at)
{
	struct checker c = {.text = text};
	bool ok = check_all(&c);

	*at = c.at;
	return ok;
}
