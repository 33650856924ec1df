/* config.h - the settings: read from the environment by one table, checked, printed. Nothing starts
 * half-configured: the first setting that cannot be read is a sentence with its name, its value and
 * what is accepted. */
#ifndef AUTOHEAL_CONFIG_H
#define AUTOHEAL_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "log.h"
#include "text.h"

#define CONFIG_RESTARTS_MAX \
	64 /* AUTOHEAL_MAX_RESTARTS: so many restart times are kept of one identity */
#define CONFIG_SETTINGS_MAX 80
#define CONFIG_ALL "all" /* AUTOHEAL_CONTAINER_LABEL: every container */
#define CONFIG_LONGEST (10ull * 366 * 24 * 3600 * 1000) /* ms */
#define CONFIG_WORD_MAX 255  /* bytes of a label or a name that the API sets */
#define CONFIG_TEXT_MAX 8192 /* and of a list */
#define CONFIG_NAME_MAX 64   /* bytes of the name of a service, with its zero */

enum restart_mode { MODE_HEALTH, MODE_ON_FAILURE, MODE_BOTH };
enum read_rule { READ_SAFE, READ_TOKEN, READ_OPEN };

/* Texts point into the environment, at constants, or at what was allocated for a change through the API; lists are comma
 * lists as written. Times are ms. They change underneath their readers, between two turns of the loop: a text is not to
 * be kept. */
struct settings {
	/* engines */
	const char *docker_host; /* "" = the first default socket that exists */
	bool tls_verify;
	const char *cert_path;
	const char *api_version;
	const char *hosts;
	const char *host_name;
	const char *docker_sock;
	uint64_t curl_timeout;
	/* selection */
	const char *label, *label_value;
	bool include_all;
	const char *include, *exclude, *projects;
	bool swarm_tasks;
	/* policy */
	enum restart_mode mode;
	uint64_t start_period, interval, unhealthy_for, cooldown;
	uint64_t stop_timeout; /* ms, or CONFIG_UNSET */
	uint64_t max_restarts, restart_window;
	bool backoff;
	uint64_t backoff_initial, backoff_multiplier /* thousandths */, backoff_max;
	uint64_t recovery_timeout, quarantine_retry;
	bool dependents;
	uint64_t max_parallel;
	const char *storm;
	uint64_t drain;
	bool dry_run, only_running;
	/* API, log, storage */
	const char *listen, *api_token, *api_token_file, *api_hosts;
	bool writes_open;
	enum read_rule reads;
	const char *data_dir, *instance;
	bool sandbox;
	uint64_t events;
	enum log_level log_level;
	enum log_format log_format;
	/* notices; targets and URLs hold secrets: they go into no log and no answer. notify: of the environment as written,
	 * of the API a line for each service: name, tab, URL, tab, 1 or 0 (config_next_service) */
	const char *notify, *notify_events;
	const char *webhook_url, *webhook_json_key, *apprise_url, *heartbeat_url;
	const char *ca_file, *post_restart_script;
	bool from_environment[CONFIG_SETTINGS_MAX]; /* by place in the table: these are locked */
	bool changed[CONFIG_SETTINGS_MAX];          /* through the API: their texts are allocated */
};

#define CONFIG_UNSET UINT64_MAX

/* Fills settings from environment (an environ-like array, which must outlive them). 0, or -1 with a sentence in
 * error. Warnings (unknown AUTOHEAL_ names, names for later versions) go to warn, one call each. */
int config_read(struct settings *s, char *const *environment, char *error, size_t error_size,
    void (*warn)(const char *sentence));
/* Cuts the next target off AUTOHEAL_NOTIFY: white space parts them, and a comma before another scheme. */
bool config_next_target(struct span *rest, struct span *target);
/* The scheme of a target, "discord" of discord://…; empty where it has none. */
struct span config_scheme(struct span target);
/* Whether every container is watched that does not say no. */
bool config_watches_all(const struct settings *s);
/* The label that is looked for; where its place is taken by the word `all`, the usual one. */
const char *config_label(const struct settings *s);
/* Whether AUTOHEAL_RESTART_MODE is given, or its member was changed. */
bool config_mode_is_set(const struct settings *s);
/* The variable that locks the setting at this place of the table; NULL where none does. */
const char *config_locks(const struct settings *s, size_t place);

/* One that is told. The URL is secret and lives as long as the settings. */
struct config_service {
	char name[CONFIG_NAME_MAX];
	struct span url;
	bool enabled;
	const char *variable; /* that names it, and so locks it; NULL: none */
};
struct config_services {
	struct span rest;
	unsigned single;
};
/* Walks those of AUTOHEAL_NOTIFY or of the API, then WEBHOOK_URL and APPRISE_URL; *at is zeroed at first. */
bool config_next_service(
    const struct settings *s, struct config_services *at, struct config_service *out);
/* The one of this name among them. */
bool config_find_service(const struct settings *s, struct span name, struct config_service *out);
/* AUTOHEAL_STORM in percent; 0 = off. */
uint64_t config_storm_share(const struct settings *s);
/* The variables by group, for --help. */
void config_help(struct buf *out);

#endif
