/* docker.h - one engine: finding it, agreeing on an API version, holding its event stream open,
 * auditing with the list, coming back when it was lost, and sending it requests. It tells what it
 * hears through a handler; it decides nothing about containers. */
#ifndef AUTOHEAL_DOCKER_H
#define AUTOHEAL_DOCKER_H

#include <stdbool.h>
#include <stdint.h>

#include "call.h"
#include "config.h"
#include "facts.h"
#include "loop.h"
#include "net.h"
#include "resolve.h"
#include "target.h"
#include "tls.h"

#define DOCKER_API_NEWEST \
	1055 /* 1.55, the newest this program was built for (major * 1000 + minor) */
#define DOCKER_SEEN_MAX \
	256 /* events remembered to know a replay again: as many as an engine can replay */
#define DOCKER_HEAD_WAIT_MS \
	1000 /* an engine before 20.10 sends the stream's head with its first event only */
#define DOCKER_STEADY_MS 1000  /* a stream that stood this long is worth an immediate reconnect */
#define DOCKER_REPLAY_MS 10000 /* a replay is read to its end in this time */
#define DOCKER_PROOF_MS 5000   /* for the stream to bring a change that an audit has shown */
#define DOCKER_LAG_MS 2000     /* an event older than this when read is no live proof */
#define DOCKER_ERROR_MAX 512
#define DOCKER_PATIENCE_MAX_MS 25000 /* for a peer that vanished without a word */
#define DOCKER_SPARE_AGAIN_MS 100    /* a new spare is made when what took the old one has left */
#define DOCKER_SPARE_STEADY_MS \
	60000 /* one that stood so long is replaced at once; one closed earlier at the next audit */

enum docker_state {
	DOCKER_DOWN,      /* waiting to try again */
	DOCKER_RESOLVING, /* its name */
	DOCKER_ASKING,    /* its version */
	DOCKER_OPENING,   /* its event stream */
	DOCKER_LISTING, /* the stream stands; the first list is on its way: events are no live proof yet */
	DOCKER_UP,
};

struct docker;

struct docker_handler {
	/* The container that the engine shows under our own hostname; asked once, before the stream is opened. */
	void (*confirmed)(void *owner, struct docker *d, const struct json *j,
	    const struct container_facts *facts);
	void (*connected)(void *owner, struct docker *d); /* the stream stands */
	void (*lost)(void *owner, struct docker *d); /* it does not any more; d->error says why */
	void (*away)(void *owner, struct docker *d); /* another try to connect failed */
	void (*event)(void *owner, struct docker *d, const struct json *j,
	    const struct engine_event *event, bool live);
	void (*batch)(void *owner, struct docker *d); /* all events of one read were handed out */
	void (*list_begins)(void *owner, struct docker *d);
	void (*listed)(void *owner, struct docker *d, const struct json *j,
	    const struct container_facts *facts);
	void (*list_ended)(void *owner, struct docker *d); /* only after a whole list */
	/* Its socket is dead, and will be until our container is started anew (watchdog_blind). */
	void (*blind)(void *owner, struct docker *d);
};

struct docker {
	struct loop *loop;
	struct call_workspace *workspace;
	const struct settings *settings;
	const struct docker_handler *handler;
	void *owner;
	unsigned index;
	const char *name; /* target.name */
	struct target target;
	char host[TARGET_URL_MAX]; /* the header Host */
	struct call_place place;   /* with the address in use */
	struct tls_client tls;     /* its certificates, read anew before each connect */
	struct call_spare spare;   /* with TLS, for the next action */
	struct loop_timer spare_timer;
	struct resolve resolve;
	unsigned address_at; /* which of its addresses is tried */
	char confirm[65]; /* a hostname that may be our own container's; "" when there is nothing to ask */
	enum docker_state state;
	bool connected;              /* `connected` was told, and `lost` not since */
	struct call *stream, *audit; /* audit: version, our own container, list */
	struct loop_timer timer; /* the next try, the end of the wait for the head, or the next audit */
	unsigned tries;          /* failed in a row */
	uint64_t refused_since; /* of watchdog_blind */
	uint64_t stream_since;
	char api[8]; /* "1.43" */
	char version[32];
	bool podman;
	int64_t last_nano; /* the newest event's timeNano: where a reconnect goes on */
	uint64_t seen[DOCKER_SEEN_MAX];
	unsigned seen_at;
	bool replaying;
	int64_t replay_end; /* engine's clock, ms, when the stream was opened; INT64_MIN: it tells nothing again */
	bool list_again, listed_again; /* the first list of this stream */
	bool audit_again;              /* when the list on its way has ended */
	uint64_t lost_at;              /* loop's clock when the last stream was lost */
	int64_t clock_offset; /* our clock minus the engine's, ms, at least; valid with clock_known */
	bool clock_known;
	uint64_t skipped_told,
	    skipped_listed; /* events of this stream that could not be read; those before the last list */
	unsigned doubt;       /* events that an audit showed to be missing, as bits; 0 none */
	uint8_t doubt_id[32]; /* of this container */
	struct loop_timer doubt_timer;
	/* counters and marks for status and health */
	uint64_t events, reconnects, audit_repairs;
	uint64_t containers;                  /* in the last whole list, watched or not */
	int64_t last_audit;                   /* wall, 0 never */
	uint64_t last_audit_now;              /* loop's clock */
	uint64_t audit_took;                  /* ms of the last whole list */
	char error[DOCKER_ERROR_MAX];         /* why it is not up, "" when it is */
	char error_told[DOCKER_ERROR_MAX];    /* logged already */
	char request_error[DOCKER_ERROR_MAX]; /* of the last docker_request that could not be begun */
};

/* d is zeroed memory. */
void docker_init(struct docker *d, struct loop *loop, struct call_workspace *workspace,
    const struct settings *settings, const struct target *target,
    const struct docker_handler *handler, void *owner);
/* Begins to connect; from here on it keeps itself connected. */
void docker_start(struct docker *d);
void docker_close(struct docker *d);

/* A request of this engine's API: path without the version prefix. NULL when it cannot even be
 * begun: *error is then a sentence that lives until the next call. */
struct call *docker_request(struct docker *d, const char *method, enum json_split_mode mode,
    uint64_t timeout_ms, const struct call_handler *handler, void *owner, const char **error,
    const char *format, ...) TEXT_PRINTS(8, 9);
/* The same for an inspect of the container, bounded by CURL_TIMEOUT. */
struct call *docker_inspect(struct docker *d, const uint8_t id[32],
    const struct call_handler *handler, void *owner, const char **error);
/* A POST with a body of JSON and without a deadline, for what can wait: the spare connection is kept for heals. */
struct call *docker_post(struct docker *d, const char *path, const char *body,
    enum json_split_mode mode, const struct call_handler *handler, void *owner, const char **error);
/* A sentence for a failed connection to d: what, why, and what to do (the gid that is needed, ...). words: of the
 * connection, NULL where there are none. */
void docker_explain(const struct docker *d, int error, const char *words, char *out, size_t cap);
/* Reads the certificates anew if the call was refused its connection for TLS's sake: renewed ones may lie there since,
 * and the stream may have stood for longer than the old ones are valid. It goes on; only bad files mark d down. */
void docker_renew_certificates(struct docker *d, const struct call *call);
/* Whether the answer refuses our API version, as an engine does that was exchanged underneath us. Nothing was done
 * then. d is marked down, and agrees on a version anew. */
bool docker_refused_version(struct docker *d, const struct call *call);
/* When an event that a reconnect tells again happened, by the loop's clock and at the latest; 0: just now, or unknown. */
uint64_t docker_happened(const struct docker *d, const struct engine_event *event);
/* The first list of this stream may show a container as it was before an event that was told already: the list is asked
 * for once more when it has ended. */
void docker_list_again(struct docker *d);
/* Audits at once; after the list that is on its way, where one is. */
void docker_audit(struct docker *d);
/* The settings have changed: it audits at once, and the next audit is an interval after that. */
void docker_settings_changed(struct docker *d);
/* The list that is being handed out shows a change of the container that no event has told: events has the bits
 * (1 << enum engine_action) of those that would. A stream that does not bring one of them within DOCKER_PROOF_MS is dead, whatever its connection says: it is opened anew, and counted as an audit
 * repair. Without effect in the first list of a stream, which is there to show changes. */
void docker_doubt(struct docker *d, const uint8_t id[32], unsigned events);

#endif
