/* incidents.h - PURE: the last incidents: what was seen, what was done about it, how it ended, and the evidence
 * that was found. A record is allocated when its incident begins; at rest there is none. What more is told of a record
 * that had to go is lost. */
#ifndef AUTOHEAL_INCIDENTS_H
#define AUTOHEAL_INCIDENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "audit.h"
#include "json.h"
#include "text.h"

#define INCIDENTS_MAX \
	32 /* the next takes the place of the oldest that has ended, else of the oldest */
#define INCIDENTS_EVIDENCE \
	8 /* the newest so many keep their evidence; all of them where it is on disk too */
#define INCIDENT_ACTIONS_MAX \
	8 /* kept of one incident: the first ones and the last; the others are counted */
#define INCIDENT_ERROR_MAX 128 /* bytes of an action's error */
#define EVIDENCE_PROBES_MAX 5  /* as many as an engine keeps */
#define EVIDENCE_OUTPUTS_MAX \
	2048 /* bytes of all probes' outputs, shared out evenly: of each the beginning is kept */
#define EVIDENCE_LOG_MAX 2048 /* bytes of the log: its end is kept */

/* What was found around one request: 4 KiB of foreign text in all. */
struct evidence {
	uint64_t asked; /* when it was inspected, loop's clock */
	bool inspected, logged;
	/* of the inspect */
	bool oom_killed;
	uint8_t probes_count;
	int32_t exit_code;
	struct {
		int64_t end; /* wall ms; 0 unknown */
		int32_t exit_code;
		uint16_t length;
	} probes[EVIDENCE_PROBES_MAX];
	bool log_cut; /* its beginning is not that of a line */
	uint16_t log_length;
	char outputs[EVIDENCE_OUTPUTS_MAX]; /* one after another */
	char log[EVIDENCE_LOG_MAX];
};

enum incident_outcome {
	INCIDENT_OPEN, /* while it lasts: nothing is known of its end */
	INCIDENT_RECOVERED,
	INCIDENT_NOT_RECOVERED,
	INCIDENT_QUARANTINED,
	INCIDENT_CANCELLED,
};

struct incident_action {
	int64_t at;         /* wall ms */
	int64_t took;       /* ms to its answer; -1 until then */
	const char *action; /* constants */
	const char *status; /* NULL: under way, or it never reached the engine */
	char error[INCIDENT_ERROR_MAX];
};

struct incident {
	uint64_t id;
	int64_t opened, closed;                 /* wall ms; closed 0: it is open */
	int64_t took;                           /* ms from its detection to its end */
	const char *cause, *detected_by, *host; /* live as long as the program */
	uint8_t outcome;     /* enum incident_outcome; while it is open: so far */
	bool wants_evidence; /* a request has left, and its evidence is yet to be asked for */
	uint32_t actions;    /* taken */
	struct incident_action kept[INCIDENT_ACTIONS_MAX];
	uint8_t engine, container[32]; /* of the last request */
	struct evidence *evidence;     /* NULL: none, or it had to go */
	char *stable_id;               /* behind the name */
	char name[];
};

struct incidents {
	struct incident *list[INCIDENTS_MAX]; /* by their beginning, the newest last */
	size_t count;
	bool stored;      /* there is a data folder */
	uint32_t changes; /* worth being written: one began or ended, or its evidence is whole */
};

void incidents_free(struct incidents *t);
/* NULL: unknown, or it had to go. */
struct incident *incidents_find(const struct incidents *t, uint64_t id);
/* Begins one: id, opened, cause, detected_by and host of *what count. One of the same identity that is open yet was
 * overtaken by it: it is cancelled. what may also have its end, if it was told before. NULL without memory. */
struct incident *incidents_open(
    struct incidents *t, const struct incident *what, struct span name, struct span stable_id);
/* A request leaves. One before it that was never answered had not reached the engine, and is the same. */
void incident_asked(struct incident *i, unsigned engine, const uint8_t container[32],
    const char *action, int64_t wall);
/* What is told in it (the kinds that concern an incident count), and when. */
void incident_told(struct incident *i, const struct audit_event *e, int64_t took);
/* It ended so many ms after its detection, in whatever was told last. */
void incident_close(struct incidents *t, struct incident *i, int64_t wall, int64_t took);
/* Where its evidence goes. NULL without memory. */
struct evidence *incidents_evidence(struct incidents *t, struct incident *i);

/* Reads what the answer to an inspect shows. */
void evidence_read(struct evidence *e, const struct json *j, uint64_t now);
/* Reads what incident_print has printed whole of it. */
void evidence_recall(struct evidence *e, const struct json *j, int token);
/* What its last probe put out, where that failed; foreign text. */
struct span evidence_output(const struct evidence *e);
/* Adds text of the log. */
void evidence_add_log(struct evidence *e, struct span text);

/* The outcome of this name; INCIDENT_OPEN where it is none. */
enum incident_outcome incident_outcome_of(const struct json *j, int token);
/* One incident as a JSON object; outputs and log read "***" unless whole. */
void incident_print(struct json_writer *w, const struct incident *i, bool whole);
/* Those of this stable identity on the host, or on any (NULL) also of this name, as a JSON array. Returns whether there
 * are any. */
bool incidents_print(
    const struct incidents *t, struct buf *out, const char *wanted, const char *host, bool whole);

#endif
