/* notice.h - PURE: whom notices go to and what they say: target URLs (those of shoutrrr) to requests, audit events to
 * words, and which events of an incident are worth one. No descriptor, no clock, no allocation but the caller's bufs. */
#ifndef AUTOHEAL_NOTICE_H
#define AUTOHEAL_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "audit.h"
#include "buf.h"
#include "text.h"

#define NOTICE_TITLE_MAX 240
#define NOTICE_TEXT_MAX \
	1000 /* less than any service takes: Pushover 1024 characters, Discord 2000 with the title */
#define NOTICE_REQUEST_MAX 16384 /* bytes of a request */
#define NOTICE_HOUR_MS (3600 * 1000ull)
#define NOTICE_FULL 3 /* incidents of one identity in an hour that are told one by one */
#define NOTICE_KNOWN_MAX \
	128 /* identities with incidents that are remembered; the one heard of least lately goes,
	 and its incident, if it is still open, begins anew for us */

enum notice_service {
	NOTICE_GENERIC,
	NOTICE_DISCORD,
	NOTICE_DISCORD_URL, /* its webhook as Discord shows it */
	NOTICE_SLACK,
	NOTICE_TEAMS,
	NOTICE_TELEGRAM,
	NOTICE_NTFY,
	NOTICE_GOTIFY,
	NOTICE_PUSHOVER,
	NOTICE_APPRISE,
	NOTICE_WEBHOOK,     /* willfarrell's WEBHOOK_URL */
	NOTICE_APPRISE_URL, /* and APPRISE_URL: the address of the API as it is */
	NOTICE_HEARTBEAT,   /* a GET without a body */
};

/* One target; its spans point into the URL, which must outlive it. */
struct notice_target {
	enum notice_service service;
	bool tls;
	uint16_t port;
	struct span scheme, user, password, host, path, query; /* of the URL as written */
	struct span server; /* where the request goes: a name or an address without brackets */
	struct span key;    /* NOTICE_WEBHOOK: the member that holds the text */
	struct span chat;   /* NOTICE_TELEGRAM: one of the chats */
};

/* Reads a URL of AUTOHEAL_NOTIFY (service NOTICE_GENERIC; its scheme says which it is), or of one of willfarrell's
 * variables or the heartbeat. NULL, or what it should look like, without a word of the URL itself: it is secret. */
const char *notice_read_target(struct notice_target *t, struct span url, enum notice_service service);
/* The comma list of chats of a telegram:// URL; each makes a target of its own. */
struct span notice_chats(const struct notice_target *t);
/* "discord://discord.com": what may be shown of a target. */
void notice_show_target(const struct notice_target *t, char *out, size_t cap);
/* Blots what is secret of the target out of words that its server said. */
void notice_mask(const struct notice_target *t, char *words);

/* What is told. */
struct notice_words {
	char title[NOTICE_TITLE_MAX],
	    text[NOTICE_TEXT_MAX]; /* safe to show: no controls, no bidi marks, valid UTF-8 */
	bool good;                 /* it is well again */
};

/* The event in words. cause: of the incident, "" unknown; count > 0: so many incidents of it were there lately. */
void notice_say(
    struct notice_words *out, const struct audit_event *e, const char *cause, unsigned count);
/* {"title":…,"text":…,…}: the words and the event's own members, for those who want JSON. */
void notice_print(struct buf *out, const struct notice_words *words, const struct audit_event *e);

/* The whole HTTP request that tells t the words; json: of notice_print. words are NULL for a heartbeat. */
void notice_request(const struct notice_target *t, const struct notice_words *words,
    struct span json, struct buf *out);

/* The kinds of a list of names as bits 1 << enum audit_kind; `all` is all. false with the *wrong one. */
bool notice_read_kinds(struct span list, uint32_t *kinds, struct span *wrong);

/* What is remembered of an identity with incidents. */
struct notice_known {
	uint64_t who, incident;
	uint64_t heard;              /* the last event, loop's clock */
	uint64_t began[NOTICE_FULL]; /* the last incidents, a ring; 0 none */
	uint64_t counted;            /* a message with a count was sent then; 0 never */
	uint32_t count;              /* incidents since */
	uint8_t at;                  /* place of the next in the ring */
	bool told, ended, quiet; /* of the incident: its first, its end; it is one of too many */
	char cause[14];
};

enum notice_verdict {
	NOTICE_NONE,
	NOTICE_SEND,
	NOTICE_REPLACE, /* sent in place of the one that was taken for the incident's end in this same turn */
};

/* Whether the event is worth a notice. kinds: of notice_read_kinds; ends: its incident is over with it. known: room
 * for NOTICE_KNOWN_MAX, zeroed at first. *cause and *count: of notice_say. */
enum notice_verdict notice_judge(struct notice_known *known, uint32_t kinds,
    const struct audit_event *e, bool ends, uint64_t now, const char **cause, unsigned *count);

#endif
