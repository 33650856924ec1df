/* call.h - one HTTP request to an engine on one connection of its own, from connecting to the last
 * byte of the answer. The body's JSON values are handed out one by one as they come, whether it is
 * one object, a list of ten thousand, or a stream without an end. */
#ifndef AUTOHEAL_CALL_H
#define AUTOHEAL_CALL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "http.h"
#include "json.h"
#include "loop.h"
#include "net.h"
#include "tls.h"

#define CALL_CONNECT_MS 10000 /* for TCP and TLS to stand */
#define CALL_REQUEST_MAX 4096 /* bytes of a request that call_start makes */
#define CALL_READ_SIZE 16384  /* bytes of one read at most */
#define CALL_READ_FIRST \
	4096               /* and of one as long as no more comes at once: memory stays untouched */
#define CALL_WORDS_MAX 256 /* bytes kept of an error's words */

/* What all calls of a process share: none of it outlives one turn. */
struct call_workspace {
	/* at the beginning of a page each: mostly one of it is touched */
	_Alignas(4096) char bytes[CALL_READ_SIZE];
	_Alignas(4096) jsmntok_t tokens[JSON_TOKENS_MAX];
};

enum call_end {
	CALL_RUNNING,
	CALL_ANSWERED, /* a whole answer came; look at status */
	CALL_UNSENT,   /* no connection: the engine never saw the request */
	CALL_LOST,     /* the connection broke after the request had left */
	CALL_LATE,     /* the deadline passed */
	CALL_NONSENSE, /* what came is not HTTP or not JSON */
};

/* Whom to call, and how. */
struct call_place {
	struct net_address address;
	const struct tls_client *tls; /* NULL: plain */
	const char *name;             /* the server's, as its certificate must have it; with tls */
	const char *host;             /* the header Host */
	uint64_t patience_ms;         /* of net_keep_alive; 0 for a unix socket */
	const char *body; /* of a POST: JSON, read before call_start returns; NULL: none */
};

/* A connection that was made before it is needed, and waits for a request: with TLS a handshake takes longer than
 * all the rest. One that cannot be made, or that the other side closes, just ends. */
struct call_spare {
	struct loop *loop;
	struct net_stream stream; /* fd -1: there is none */
	struct loop_timer deadline;
	uint64_t since; /* the loop's clock when it was begun */
	void (*broken)(void *owner);
	void *owner;
};

/* Begins one; zeroed memory or an ended spare is expected. broken is called from the loop when it broke, never
 * when it was used or closed. false when not even that was possible. */
bool call_spare_open(struct call_spare *spare, struct loop *loop, const struct call_place *place,
    void (*broken)(void *owner), void *owner);
void call_spare_close(struct call_spare *spare);
bool call_spare_is_open(const struct call_spare *spare);

struct call;

struct call_handler {
	/* The head of the answer came (status, podman, date are set). May be NULL. */
	void (*head)(struct call *call);
	/* One value of a 2xx answer's body; of JSON_NONE some of its bytes, without tokens. j is valid until it returns.
	 * May be NULL. */
	void (*value)(struct call *call, const struct json *j);
	/* All that one read brought has been handed out. May be NULL. */
	void (*batch)(struct call *call);
	/* The end, once; call->end says which. The call is freed when it returns. */
	void (*done)(struct call *call);
};

struct call {
	const struct call_handler *handler;
	void *owner;
	bool told; /* the owner's own: the answer has been dealt with */
	uint8_t id[32]; /* the owner's own: which container it is about; a pointer would not outlive the container */
	struct loop *loop;
	struct call_workspace *workspace;
	struct net_stream stream;
	struct loop_timer deadline;
	uint64_t started; /* the loop's clock at its beginning */
	uint64_t timeout; /* ms from there, 0 none */
	struct buf out;   /* the request */
	size_t sent;
	struct buf head;  /* of the answer, until it is whole */
	size_t read_size; /* of the next read */
	bool head_done, head_request, busy, closing, paused;
	enum loop_urgency urgency; /* of its handshake: what changes something goes first, a spare last */
	struct http_body body;
	struct json_splitter split;
	/* the answer */
	enum call_end end;
	int status;
	int error;            /* errno of UNSENT and LOST, 0 for an orderly end too early */
	bool podman;          /* Libpod-Api-Version or Server: Libpod */
	uint32_t retry_after; /* seconds, header Retry-After; 0 without it */
	int64_t date;         /* the engine's clock in ms, whole seconds; 0 without the header */
	char api_version[16]; /* header Api-Version */
	uint64_t values;
	char words[CALL_WORDS_MAX]; /* what went wrong: the engine's "message", or our sentence; not made safe yet */
};

/* Starts the request `method path` at the place. The first bytes leave before this returns where the connection
 * stands at once, as that of a spare does: spare (may be NULL, or ended) is used up. timeout_ms 0: no deadline once
 * the connection stands. mode says how the answer's values are split. NULL when not even that was possible; *error
 * is -errno then. */
struct call *call_start(struct loop *loop, struct call_workspace *workspace,
    const struct call_place *place, struct call_spare *spare, const char *method, const char *path,
    enum json_split_mode mode, uint64_t timeout_ms, const struct call_handler *handler, void *owner,
    int *error);
/* The same with a request that was made by the caller, head and body; its memory is the call's from here on, also
 * where the call cannot be begun; an empty one only connects, and ends as CALL_ANSWERED with status 0. urgency: of a
 * handshake. */
struct call *call_send(struct loop *loop, struct call_workspace *workspace,
    const struct call_place *place, struct call_spare *spare, struct buf *request,
    enum loop_urgency urgency, enum json_split_mode mode, uint64_t timeout_ms,
    const struct call_handler *handler, void *owner, int *error);
/* Ends it without a word: done is not called. May be called from its own handlers. */
void call_close(struct call *call);
/* Stops and resumes reading: for a reader who is slower than the engine. */
void call_pause(struct call *call, bool pause);
/* Whether the answer is a success (2xx), or 304: it was so already. */
bool call_succeeded(const struct call *call);

#endif
