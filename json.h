/* json.h - JSON in three parts: a splitter that cuts a byte stream into whole values, look-ups over
 * the tokens that jsmn makes of one value, and a writer. Memory is bounded by the largest single
 * value, whatever their number. Input is hostile: depth, size and tokens have limits, and what goes
 * over them is skipped and counted, never half-read. */
#ifndef AUTOHEAL_JSON_H
#define AUTOHEAL_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "buf.h"
#include "text.h"

#define JSMN_HEADER
#define JSMN_PARENT_LINKS
#define JSMN_STRICT
#include <jsmn.h>

#define JSON_VALUE_MAX \
	(256 * 1024) /* bytes of one value; a container with more labels than that is skipped */
#define JSON_TOKENS_MAX 8192 /* tokens of one value: an inspect has some 600 */
#define JSON_DEPTH_MAX 64

/* ---- splitter ------------------------------------------------------------------------------- */

enum json_split_mode {
	JSON_STREAM, /* values one after another, with white space or RS (0x1E, RFC 7464) between them */
	JSON_NONE, /* no JSON at all: call.h hands the bytes out as they come */
	JSON_ARRAY, /* the elements of one array; a stream whose first value is no array is handed out as is */
};

struct json_splitter {
	enum json_split_mode mode;
	uint8_t place; /* JSON_ARRAY: what may come next outside the values */
	bool in_string, escaped, skipping;
	bool in_scalar; /* a number or a word at top level */
	bool starved;   /* one of the skipped found no memory */
	bool bad; /* met bytes that cannot be JSON; nothing more is handed out until json_split_reset */
	uint32_t depth;   /* brackets open inside the value */
	uint64_t kinds;   /* a bit for each of them, the innermost lowest: 1 for [ */
	uint64_t skipped; /* values dropped because of a limit, so far */
	struct buf partial; /* the beginning of a value whose end has not come; at most JSON_VALUE_MAX */
};

void json_split_init(struct json_splitter *s, enum json_split_mode mode);
/* Forgets what is half-read (after a reconnect) and keeps the counter; gives memory above 4 KiB back. */
void json_split_reset(struct json_splitter *s);
void json_split_free(struct json_splitter *s);
/* Takes bytes from *p, *n (both moved on) up to the end of the next value. Returns 1 and the
 * value's bytes in *value (inside the caller's bytes where it lies whole in them, else inside the
 * splitter; valid until the next call), 0 when all is taken and no value is complete, -1 when the
 * bytes are not JSON (s->bad). A value ends where its brackets close; whether its inside is
 * well-formed is the tokenizer's business. A number or a word at top level ends with the byte
 * behind it: at the end of the input hand in a line end. */
int json_split(struct json_splitter *s, const char **p, size_t *n, struct span *value);
/* Whether everything handed in so far was whole: no value half-read, the array closed. */
bool json_split_complete(const struct json_splitter *s);
/* Of JSON_ARRAY: whether the stream began with an array. */
bool json_split_is_array(const struct json_splitter *s);

/* ---- one value, tokenized ------------------------------------------------------------------- */

struct json {
	const char *p; /* the value's bytes, the caller's */
	size_t n;
	int count;         /* tokens in use */
	jsmntok_t *tokens; /* the caller's array */
	int capacity;
	bool escaped; /* a backslash occurs somewhere, so keys must be compared decoded */
};

/* Tokenizes value with the caller's token array; white space around it is left out. 0, or -1:
 * malformed, more tokens than capacity, or deeper than JSON_DEPTH_MAX; count is then 0. What jsmn
 * lets pass and this does too: commas too many or too few, raw control characters in strings. The
 * `parent` of an object or array is rewritten: it becomes the index of the first token behind it,
 * so that look-ups step over it. For text that neither the splitter nor json_valid has seen, time
 * may be quadratic in its depth. */
int json_parse(struct json *j, struct span value, jsmntok_t *tokens, int capacity);
/* An array that is large enough for text, which json_valid has seen, to be given to free(). NULL: no memory. */
jsmntok_t *json_tokens(struct span text, int *capacity);
/* Token indices; -1 is "not there" and may be passed on to every function below, which then says so too. */
int json_member(const struct json *j, int object, struct span key); /* key as it is, dots and all */
int json_get(const struct json *j, int object,
    const char *path); /* "Actor.ID": names without dots between dots */
/* Walks the members of an object: pass *key = -1 first; false at the end. Key and value are token indices. */
bool json_next_member(const struct json *j, int object, int *key, int *value);
/* Walks the elements of an array the same way. */
bool json_next_element(const struct json *j, int array, int *element);

bool json_is_object(const struct json *j, int token);
bool json_is_array(const struct json *j, int token);
bool json_is_string(const struct json *j, int token);
bool json_is_null(const struct json *j, int token); /* null or not there */
/* The bytes of a token as they stand: of a string without its quotes and still escaped. */
struct span json_raw(const struct json *j, int token);
/* A string's text, escapes decoded to UTF-8 (lone surrogates become U+FFFD), cut at cap - 1,
 * terminated. Returns its length, 0 for what is no string (out is "" then). */
size_t json_text(const struct json *j, int token, char *out, size_t cap);
/* Whether the token is a string of exactly this text. Escapes are understood. */
bool json_is(const struct json *j, int token, const char *text);
bool json_bool(const struct json *j, int token, bool otherwise);
/* A whole number; otherwise where it is none or does not fit. */
int64_t json_int(const struct json *j, int token, int64_t otherwise);

/* ---- strict check, for what people send ----------------------------------------------------- */

/* RFC 8259 to the letter: one value, grammar, escapes, UTF-8, no duplicate check. On false *at is
 * the offset of the first wrong byte. Depth at most JSON_DEPTH_MAX. */
bool json_valid(struct span text, size_t *at);

/* ---- writer --------------------------------------------------------------------------------- */

/* Writes into a buf; commas come by themselves. Calls must nest properly; json_key before each member. */
struct json_writer {
	struct buf *out;
	bool need_comma;
};

void json_start(struct json_writer *w, struct buf *out);
void json_open(struct json_writer *w, char bracket);  /* '{' or '[' */
void json_close(struct json_writer *w, char bracket); /* '}' or ']' */
void json_key(struct json_writer *w, const char *name);
/* Writes by a format, which the compiler checks like one of printf: names, each followed by what stands for its value,
 * and brackets, with blanks between. %s is a C string or, of NULL, null; %.*s a span (JSON_SPAN); %d true or false;
 * %u and %lld a number; %lli a time, as json_time. A name at its end waits for its value, or for a bracket:
 *   json_print(&w, "{ host %s connected %d engines [", name, connected); */
void json_print(struct json_writer *w, const char *format, ...) TEXT_PRINTS(2, 3);
#define JSON_SPAN(s) (int)(s).n, (s).p
/* Any bytes as a JSON string: control characters, quotes and U+2028/9 escaped, invalid UTF-8 to U+FFFD. */
void json_string(struct json_writer *w, struct span s);
void json_cstring(struct json_writer *w, const char *s); /* NULL gives null */
void json_number(struct json_writer *w, int64_t v);
void json_seconds(struct json_writer *w, uint64_t milliseconds); /* 90, 1.5: as short as exact */
void json_bool_value(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
/* Bytes that are JSON already. */
void json_raw_value(struct json_writer *w, struct span s);
/* A wall clock time in ms since 1970 as a string, or null for 0. */
void json_time(struct json_writer *w, int64_t wall);

#endif
