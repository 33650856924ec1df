/* config_json.h - PURE: the settings as JSON: printed for the API and for config.json, and changed by it. The table of
 * config.c says of each member what it is, so nothing here knows one by name but those that are no plain values. A change
 * is read into a draft first, whole, and then holds at once or not at all. */
#ifndef AUTOHEAL_CONFIG_JSON_H
#define AUTOHEAL_CONFIG_JSON_H

#include "config.h"
#include "json.h"

#define CONFIG_MEMBER_MAX 96 /* bytes of a member's path with its zero; a longer one is unknown */
#define CONFIG_SERVICES_MAX 16
#define CONFIG_URL_MAX 2048  /* bytes of a service's URL */
#define CONFIG_NAMES_MAX 512 /* bytes of the names of what changed, for a sentence */
#define CONFIG_MASK "***"

/* The settings and their owner. now is what everybody reads; kept is what was changed through the API over the defaults,
 * also where the environment hides it. */
struct config {
	struct settings now, kept;
};

/* As config_read; nothing is changed yet. */
int config_init(struct config *c, char *const *environment, char *error, size_t error_size,
    void (*warn)(const char *sentence));

/* Gives what was allocated back. */
void config_free(struct config *c);

/* ---- printing ------------------------------------------------------------------------------ */

/* Whether it is a section that stands for itself in the API: monitor, restart, … */
bool config_is_section(struct span name);
/* The section as an object; secrets are masked. */
void config_print_section(struct json_writer *w, const struct settings *s, const char *section);
/* The whole configuration, with what a person chose in `containers` and own probes in `checks` (both JSON). */
void config_print(
    const struct settings *s, struct buf *out, struct span containers, struct span checks);
/* For config.json: the sections with what was changed, secrets as they are, into an object that is open. */
void config_print_changed(struct json_writer *w, const struct settings *kept);

/* ---- changing ------------------------------------------------------------------------------ */

enum config_source {
	CONFIG_STORED, /* config.json: what is wrong is told and left out */
	CONFIG_PUT,
	CONFIG_IMPORT, /* unknown members are listed; docker-autoheal's are understood */
};

struct config_draft {
	const struct config *config;
	const struct json *j;
	enum config_source source;
	void (*warn)(const char *sentence); /* of CONFIG_STORED */
	struct settings kept;   /* before config_commit the new ones, afterwards the old ones */
	int selected, excluded; /* tokens of the lists in `containers`; -1 where they are not there */
	int selected_by; /* who selected those, likewise: a label's are no choice of a person */
	int checks;      /* of custom_health_checks, likewise; who does them reads it */
	bool targets;    /* who is told changes: that needs the token */
	bool said[CONFIG_SETTINGS_MAX]; /* by place in the table: the body has the value that is there */
	struct buf ignored;             /* of CONFIG_IMPORT: elements of a JSON array */
	struct json_writer names;
	/* what is wrong: 422, 409 (locked) or 500 (no memory); 0 nothing */
	int status;
	char member[CONFIG_MEMBER_MAX];
	char error[320];
};

/* Reads the whole configuration, or with a section ("" none) that alone, into the draft; it must be given to
 * config_drop in any case. j must live as long. false where something is wrong. */
bool config_draft(struct config_draft *d, const struct config *c, enum config_source source,
    const struct json *j, const char *section, void (*warn)(const char *sentence));
/* The draft holds from here on; returns how many members changed, their names as a sentence's list. Texts of before
 * live until config_drop. */
size_t config_commit(struct config *c, struct config_draft *d, char names[CONFIG_NAMES_MAX]);
void config_drop(struct config_draft *d);

#endif
