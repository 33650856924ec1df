/* config_parts.h - the table of settings, for the files that read and print it; nobody else includes it. */
#ifndef AUTOHEAL_CONFIG_PARTS_H
#define AUTOHEAL_CONFIG_PARTS_H

#include <string.h>

#include "config.h"

enum config_type {
	TYPE_TEXT,
	TYPE_BOOLEAN,
	TYPE_DURATION,
	TYPE_NUMBER,
	TYPE_DECIMAL, /* kept in thousandths */
	TYPE_LIST,    /* a text, with commas between its items */
	TYPE_SERVICES,
	TYPE_CHOICE,  /* an int, the place of the word in `words` */
	TYPE_STORM,   /* off, or a share */
	TYPE_VERSION, /* 1.43 */
};

/* The texts of a setting follow each other in one, each ended by a zero, as a pointer is as large as a short word:
 * its name; its default, read like any value; its place in config.json, "" when it has none; and, of a choice, the
 * words, separated by |. */
enum { CONFIG_NAME, CONFIG_FALLBACK, CONFIG_MEMBER, CONFIG_WORDS };

struct config_setting {
	const char *texts;
	uint16_t offset;
	uint8_t type;
	uint8_t group : 4, least : 4; /* least in seconds or whole numbers */
	uint32_t most;                /* in the unit kept; 0 = no bound of its own */
};

extern const struct config_setting config_table[];
extern const size_t config_count;

/* One of the texts of a setting. */
const char *config_text(const struct config_setting *s, unsigned which);
/* Where settings hold its value, and in how many bytes. */
static inline char *config_field(const struct settings *settings, const struct config_setting *s)
{
	return (char *)(uintptr_t)settings + s->offset;
}
size_t config_size(const struct config_setting *s);
/* Whether its value is a pointer to a text. */
bool config_is_text(const struct config_setting *s);
static inline const char *config_words(
    const struct settings *settings, const struct config_setting *s)
{
	const char *text;

	memcpy(&text, config_field(settings, s), sizeof(text));
	return text;
}
/* Reads a value as the environment gives it. The text stays the caller's. */
bool config_read_value(struct settings *settings, const struct config_setting *s, const char *value);
/* "1.5" in thousandths, at most three decimals. */
bool config_read_decimal(struct span text, uint64_t *out);
/* Whether the value, in the unit kept, is within the setting's bounds. */
bool config_in_bounds(const struct config_setting *s, uint64_t value);
/* What a value must be, in words; json: in config.json. */
void config_describe(const struct config_setting *s, bool json, char *out, size_t cap);
/* What follows from several settings. */
void config_settle(struct settings *s);

#endif
