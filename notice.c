/* notice.c - targets, words and requests of notice.h. */
#include "notice.h"

#include <string.h>

#include "config.h"
#include "http.h"
#include "json.h"
#include "net.h"

#define SERVER_MAX 253 /* bytes of a DNS name, RFC 1035 3.1 */
#define SECRET_LEAST 6 /* bytes; less is no secret, and would blot words out of every sentence */
#define SECRET_BEGINNING 4 /* bytes of a secret at the cut end of what was said */
#define OUTPUT_MAX 200     /* bytes of a probe's output in the text */
#define FOREIGN 5          /* texts of an event that others made */

/* What AUTOHEAL_NOTIFY takes. The forms, up to :// the scheme, and the servers ("" is the URL's own host) stand one
 * after another: pointers would each cost a relocation beside themselves, and arrays of one length much of nothing. */
static const char target_forms[] = "https://HOST/PATH\0"
				   "http://HOST/PATH\0"
				   "discord://TOKEN@ID\0"
				   "slack://A/B/C or slack://hook:A-B-C@webhook\0"
				   "teams://HOST/PATH?QUERY\0"
				   "telegram://TOKEN@telegram?chats=ID,ID\0"
				   "ntfy://[USER:PASSWORD@]HOST/TOPIC\0"
				   "gotify://HOST/TOKEN\0"
				   "pushover://shoutrrr:TOKEN@USER\0"
				   "apprise://HOST:PORT/KEY\0"
				   "apprises://HOST:PORT/KEY\0";
static const char servers[] =
    "\0\0discord.com\0hooks.slack.com\0\0api.telegram.org\0\0\0api.pushover.net\0\0\0";

enum { PLAIN = 32, PASSWORD = 64, PATH = 128 }; /* no TLS; it cannot do without one of those */

static const uint8_t services[] = {
    NOTICE_GENERIC,
    NOTICE_GENERIC | PLAIN,
    NOTICE_DISCORD,
    NOTICE_SLACK,
    NOTICE_TEAMS | PATH,
    NOTICE_TELEGRAM | PASSWORD,
    NOTICE_NTFY | PATH,
    NOTICE_GOTIFY | PATH,
    NOTICE_PUSHOVER | PASSWORD,
    NOTICE_APPRISE | PLAIN | PATH,
    NOTICE_APPRISE | PATH,
};

/* The number-th of texts that stand one after another. */
static const char *nth(const char *texts, unsigned number)
{
	while (number--)
		texts += strlen(texts) + 1;
	return texts;
}

/* ---- targets -------------------------------------------------------------------------------- */

static struct span to(struct span s, const char *end)
{
	return (struct span){s.p, (size_t)(end - s.p)};
}

static struct span behind(struct span s, const char *p)
{
	return (struct span){p, s.n - (size_t)(p - s.p)};
}

/* Cuts what stands before the byte off *rest; without it everything. */
static struct span cut(struct span *rest, char at)
{
	const char *p = rest->n ? memchr(rest->p, at, rest->n) : NULL;
	struct span before = p ? to(*rest, p) : *rest;

	*rest = p ? behind(*rest, p + 1) : (struct span){rest->p + rest->n, 0};
	return before;
}

/* A URL goes into the head of a request as it is. */
static bool is_printable(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	return true;
}

static bool read_authority(struct notice_target *t, struct span authority)
{
	const char *p = authority.n ? memrchr(authority.p, '@', authority.n) : NULL;

	if (p) {
		t->password = to(authority, p);
		t->user = cut(&t->password, ':');
		authority = behind(authority, p + 1);
	}
	if (!net_split_host(authority, &t->host, &t->port) || t->host.n > SERVER_MAX)
		return false;
	return true;
}

/* What follows the scheme: [user[:password]@]host[:port][/path][?query][#fragment] */
static bool read_rest(struct notice_target *t, struct span rest)
{
	rest = cut(&rest, '#');
	t->query = rest;
	rest = cut(&t->query, '?');
	t->path = rest;
	if (!read_authority(t, cut(&t->path, '/')))
		return false;
	while (t->service != NOTICE_GENERIC && t->path.n && t->path.p[t->path.n - 1] == '/')
		t->path.n--;
	return true;
}

/* Which of the services the URL's scheme names, or -1. */
static int service_of(struct span scheme)
{
	for (unsigned i = 0; scheme.n && i < sizeof(services); i++) {
		const char *form = nth(target_forms, i);

		if (form[scheme.n] == ':' && !memcmp(form, scheme.p, scheme.n))
			return (int)i;
	}
	return -1;
}

static bool is_complete(const struct notice_target *t, unsigned needs)
{
	if ((needs & PASSWORD && !t->password.n) || (needs & PATH && !t->path.n))
		return false;
	if (t->service == NOTICE_DISCORD)
		return t->user.n;
	if (t->service == NOTICE_SLACK)
		return t->password.n || t->path.n;
	return t->service != NOTICE_TELEGRAM || notice_chats(t).n;
}

/* For ntfy and gotify in one's own network. */
static bool wants_plain(const struct notice_target *t)
{
	return span_is(http_query(t->query, "scheme"), "http") ||
	    span_is_nocase(http_query(t->query, "disableTLS"), "yes");
}

const char *notice_read_target(struct notice_target *t, struct span url, enum notice_service service)
{
	struct span scheme = config_scheme(url);
	int which = service_of(scheme);
	const char *form;
	unsigned s;

	*t = (struct notice_target){.service = service, .scheme = scheme};
	if (which < 0 && service == NOTICE_GENERIC)
		return "https://, http://, discord://, slack://, teams://, telegram://, ntfy://, gotify://, "
		       "pushover:// or apprise://";
	if (service != NOTICE_GENERIC && which > 1)
		which = -1;
	if (which < 0 && scheme.n)
		return target_forms;
	if (which < 0) { /* as curl takes it */
		which = 1;
		t->scheme = (struct span){nth(target_forms, 1), 4};
	} else {
		url = behind(url, url.p + scheme.n + 3);
	}
	s = services[which];
	form = nth(target_forms, (unsigned)which);
	if (service == NOTICE_GENERIC)
		t->service = (enum notice_service)(s % PLAIN);
	if (!is_printable(url) || !read_rest(t, url) || !is_complete(t, s))
		return form;
	t->server = span_of(nth(servers, (unsigned)which));
	t->tls = !(s & PLAIN);
	if (t->server.n)
		t->port = 0;
	else
		t->server = t->host;
	if ((t->service == NOTICE_NTFY || t->service == NOTICE_GOTIFY) && wants_plain(t))
		t->tls = false;
	if (!t->port)
		t->port = t->tls ? 443 : 80;
	/* it takes nothing but its own form, whatever the variable is called */
	if ((t->service == NOTICE_GENERIC || t->service == NOTICE_WEBHOOK) &&
	    span_is_nocase(t->server, "discord.com"))
		t->service = NOTICE_DISCORD_URL;
	return NULL;
}

struct span notice_chats(const struct notice_target *t)
{
	struct span chats = http_query(t->query, "chats");

	return chats.n ? chats : http_query(t->query, "channels");
}

void notice_show_target(const struct notice_target *t, char *out, size_t cap)
{
	text_print(
	    out, cap, "%.*s://%.*s", (int)t->scheme.n, t->scheme.p, (int)t->server.n, t->server.p);
}

/* Blots the secret out; at the end, where the words may have been cut, its beginning too. */
static void blot(char *words, struct span secret)
{
	for (size_t left = strlen(words); left >= SECRET_BEGINNING; words++, left--) {
		size_t n = left < secret.n ? left : secret.n;

		if (!memcmp(words, secret.p, n))
			memset(words, '*', n);
	}
}

/* As it stands in the URL, and as it was meant there. */
static void mask_word(const struct notice_target *t, char *words, struct span secret)
{
	char plain[256];
	int n;

	if (secret.n < SECRET_LEAST || span_equal(secret, t->server))
		return;
	blot(words, secret);
	n = http_decode(secret, plain, sizeof(plain));
	if (n >= SECRET_LEAST)
		blot(words, (struct span){plain, (size_t)n});
}

/* Whatever stands between the delimiters. */
static void mask_words(
    const struct notice_target *t, char *words, struct span secrets, const char *delimiters)
{
	size_t begin = 0;

	for (size_t i = 0; i <= secrets.n; i++) {
		if (i < secrets.n && !strchr(delimiters, secrets.p[i]))
			continue;
		mask_word(t, words, (struct span){secrets.p + begin, i - begin});
		begin = i + 1;
	}
}

static void add_authorization(struct buf *out, const struct notice_target *t);

void notice_mask(const struct notice_target *t, char *words)
{
	struct buf header;
	const char *last;

	buf_init(&header, NOTICE_REQUEST_MAX);
	add_authorization(&header, t);
	last = header.n ? memrchr(header.p, ' ', header.n) : NULL;
	if (last)
		mask_word(
		    t, words, (struct span){last + 1, header.n - (size_t)(last + 1 - header.p)});
	buf_free(&header);
	mask_words(t, words, t->host, "");
	mask_words(t, words, t->user, "");
	mask_words(t, words, t->password, t->service == NOTICE_SLACK ? "-" : "");
	mask_words(t, words, t->path, "/");
	mask_words(t, words, t->query, "&=");
}

/* ---- words ---------------------------------------------------------------------------------- */

static bool is_good(const struct audit_event *e)
{
	return e->kind == AUDIT_RECOVERED || e->kind == AUDIT_AUTO_UNQUARANTINE ||
	    e->kind == AUDIT_UNQUARANTINE || e->kind == AUDIT_ENGINE_CONNECTED ||
	    span_is(e->status, "ended");
}

/* What happened, in a word or two: what was done, or the kind, and its status where the kind alone says too little. */
static void say_kind(const struct audit_event *e, char *out, size_t cap)
{
	bool fails = span_is(e->status, "failure");
	bool tells = e->kind == AUDIT_CRASH_LOOP || e->kind == AUDIT_STORM ||
	    e->kind == AUDIT_MAINTENANCE || e->kind == AUDIT_SELECTION;
	struct span what = span_of(audit_kind_name(e->kind));

	if (e->kind == AUDIT_RESTART && e->action.n)
		what = span_is(e->action, "notify") ? e->reason : e->action;
	text_print(out, cap, "%.*s%s%.*s", (int)what.n, what.p,
	    fails       ? " failed"
		: tells ? " "
			: "",
	    tells ? (int)e->status.n : 0, e->status.p);
	for (; *out; out++)
		if (*out == '_')
			*out = ' ';
}

void notice_say(
    struct notice_words *out, const struct audit_event *e, const char *cause, unsigned count)
{
	char name[160], host[72], kind[48], message[640], output[OUTPUT_MAX], more[112] = "";
	bool named = e->name.n && e->host.n && !span_is(e->host, "local");

	text_escape(e->name.n ? e->name : e->host, name, sizeof(name));
	text_escape(e->host, host, sizeof(host));
	text_escape(e->message, message, sizeof(message));
	text_escape(span_trim(e->health_output), output, sizeof(output));
	say_kind(e, kind, sizeof(kind));
	text_print(out->title, sizeof(out->title), "%s%s%s%s%s", name, named ? " on " : "",
	    named ? host : "", name[0] ? ": " : "", kind);
	if (count)
		text_print(more, sizeof(more),
		    "\n%u incidents of it in the last hour: more of them are told once an hour",
		    count);
	text_print(out->text, sizeof(out->text), "%s%s%s%s%s%s", message,
	    cause[0] ? "\nCause: " : "", cause, output[0] ? "\nIts probe said: " : "", output, more);
	out->good = is_good(e);
}

static void member(struct json_writer *w, const char *key, const char *value)
{
	json_key(w, key);
	json_cstring(w, value);
}

void notice_print(struct buf *out, const struct notice_words *words, const struct audit_event *e)
{
	struct audit_event safe = *e;
	char room[FOREIGN][AUDIT_TEXT_MAX];
	/* with the words, and each character escaped, less than half a request: what is cut is in the API */
	static const uint16_t caps[FOREIGN] = {512, 512, 72, AUDIT_TEXT_MAX, 400};
	struct span *foreign[FOREIGN] = {
	    &safe.name, &safe.stable_id, &safe.host, &safe.message, &safe.health_output};
	struct json_writer w;
	size_t at;

	for (int i = 0; i < FOREIGN; i++)
		*foreign[i] = (struct span){room[i], text_escape(*foreign[i], room[i], caps[i])};
	json_start(&w, out);
	json_open(&w, '{');
	member(&w, "title", words->title);
	member(&w, "text", words->text);
	at = out->n;
	json_start(&w, out);
	audit_print(&w, &safe);
	if (!out->failed)
		out->p[at] = ','; /* its members go on with ours */
}

/* ---- requests ------------------------------------------------------------------------------- */

/* The target of the request line and the body of each service, in the order of enum notice_service; one text, as
 * pointers would each cost a relocation. A card's plain run of text knows no markup. */
static const char forms[] =
    "/%p%q\0%J\0"
    "/api/webhooks/%h/%u%q\0{\"content\":%L,\"allowed_mentions\":{\"parse\":[]}}\0"
    "/%p%q\0{\"content\":%L,\"allowed_mentions\":{\"parse\":[]}}\0"
    "/services/%s\0{\"text\":%S}\0"
    "/%p%q\0{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card."
    "adaptive\",\"content\":{\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"body\":[{\"type\":"
    "\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\",\"text\":%L}]}]}}]}\0"
    "/bot%u:%w/sendMessage\0{\"chat_id\":%c,%m\"text\":%L,\"link_preview_options\":{\"is_disabled\":true}}\0"
    "/\0{\"topic\":%t,\"title\":%T,\"message\":%M,\"tags\":[\"%g\"]}\0"
    "%f/message\0{\"title\":%T,\"message\":%M,\"priority\":5}\0"
    "/1/messages.json\0token=%w&user=%h&device=%v&title=%E&message=%F\0"
    "/notify/%p\0{\"title\":%T,\"body\":%M,\"type\":\"%y\"}\0"
    "/%p%q\0{%K:%L}\0"
    "/%p%q\0{\"title\":%T,\"body\":%M,\"type\":\"%y\"}\0"
    "/%p%q\0\0";

/* What a form may ask for. */
struct filling {
	const struct notice_target *t;
	const struct notice_words *words;
	struct span json;
	char line[NOTICE_TITLE_MAX + NOTICE_TEXT_MAX];
};

static void string(struct buf *out, struct span s)
{
	struct json_writer w;

	json_start(&w, out);
	json_string(&w, s);
}

static void decoded(struct buf *out, struct span s)
{
	char text[256];
	int n = http_decode(s, text, sizeof(text));

	string(out, (struct span){text, n > 0 ? (size_t)n : 0});
}

/* Slack's markup has three characters of its own; without them there is no mention and no link. */
static void slack_text(struct buf *out, const char *text)
{
	struct buf safe;

	buf_init(&safe, NOTICE_REQUEST_MAX / 2);
	for (; *text; text++) {
		if (*text == '&' || *text == '<' || *text == '>')
			buf_add_text(&safe,
			    *text == '&'       ? "&amp;"
				: *text == '<' ? "&lt;"
					       : "&gt;");
		else
			buf_add(&safe, text, 1);
	}
	string(out, (struct span){safe.p, safe.n});
	buf_free(&safe);
}

/* A webhook's three parts, from slack://hook:A-B-C@webhook or slack://A/B/C. */
static void slack_path(struct buf *out, const struct notice_target *t)
{
	if (!t->password.n)
		buf_print(out, "%.*s/%.*s", (int)t->host.n, t->host.p, (int)t->path.n, t->path.p);
	for (size_t i = 0; i < t->password.n; i++)
		buf_add(out, t->password.p[i] == '-' ? "/" : t->password.p + i, 1);
}

/* Of gotify's path the last part is the token, what stands before it the folder it lives in. */
static struct span gotify_part(const struct notice_target *t, bool token)
{
	const char *p = memrchr(t->path.p, '/', t->path.n);

	if (token)
		return p ? behind(t->path, p + 1) : t->path;
	return p ? to(t->path, p) : (struct span){0};
}

static void fill_words(struct buf *out, const struct filling *f, char what)
{
	const struct notice_target *t = f->t;
	struct span thread = t->chat, chat = cut(&thread, ':');

	if (what == 'L')
		string(out, span_of(f->line));
	else if (what == 'S')
		slack_text(out, f->line);
	else if (what == 'T')
		string(out, span_of(f->words->title));
	else if (what == 'M')
		string(out, span_of(f->words->text));
	else if (what == 'E')
		http_encode(out, span_of(f->words->title));
	else if (what == 'F')
		http_encode(out, span_of(f->words->text));
	else if (what == 'g')
		buf_add_text(out, f->words->good ? "white_check_mark" : "warning");
	else if (what == 'y')
		buf_add_text(out, f->words->good ? "success" : "warning");
	else if (what == 'K')
		string(out, t->key);
	else if (what == 't')
		decoded(out, t->path);
	else if (what == 'c')
		decoded(out, chat);
	else if (what == 'm' && thread.n) {
		buf_add_text(out, "\"message_thread_id\":");
		decoded(out, thread);
		buf_add_text(out, ",");
	}
}

static void fill(struct buf *out, const struct filling *f, char what)
{
	const struct notice_target *t = f->t;
	struct span part = {0};

	if (what == 'p')
		part = t->path;
	else if (what == 'q' || what == 'f') {
		part = what == 'q' ? t->query : gotify_part(t, false);
		if (part.n)
			buf_add_text(out, what == 'q' ? "?" : "/");
	} else if (what == 'h')
		part = t->host;
	else if (what == 'u')
		part = t->user;
	else if (what == 'w')
		part = t->password;
	else if (what == 'J')
		part = f->json;
	else if (what == 'v')
		part = http_query(t->query, "devices");
	else if (what == 's')
		slack_path(out, t);
	else
		fill_words(out, f, what);
	buf_add_span(out, part);
}

static void add_base64(struct buf *out, struct span s)
{
	static const char digits[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < s.n; i += 3) {
		uint32_t bits = 0;
		char four[4];

		for (size_t j = 0; j < 3; j++)
			bits = bits << 8 | (i + j < s.n ? (uint8_t)s.p[i + j] : 0);
		for (size_t j = 0; j < 4; j++)
			four[j] = i + j > s.n ? '=' : digits[bits >> (18 - 6 * j) & 63];
		buf_add(out, four, 4);
	}
}

/* Name and password of the URL (RFC 7617), percent-decoded. */
static void add_authorization(struct buf *out, const struct notice_target *t)
{
	char pair[512];
	int user, password;

	if (t->service == NOTICE_GOTIFY) {
		buf_add_text(out, "\r\nX-Gotify-Key: ");
		buf_add_span(out, gotify_part(t, true));
	}
	if (t->server.p != t->host.p || (!t->user.n && !t->password.n))
		return;
	user = http_decode(t->user, pair, 250);
	if (user < 0)
		return;
	pair[user] = ':';
	password = http_decode(t->password, pair + user + 1, 250);
	if (password < 0)
		return;
	buf_add_text(out, "\r\nAuthorization: Basic ");
	add_base64(out, (struct span){pair, (size_t)(user + 1 + password)});
}

/* The form with everything it asks for. */
static void fill_form(struct buf *out, const struct filling *f, const char *form)
{
	for (; *form; form++) {
		if (*form == '%')
			fill(out, f, *++form);
		else
			buf_add(out, form, 1);
	}
}

void notice_request(const struct notice_target *t, const struct notice_words *words,
    struct span json, struct buf *out)
{
	bool v6 = memchr(t->server.p, ':', t->server.n) != NULL;
	struct filling f = {.t = t, .words = words, .json = json};
	struct buf body;

	buf_init(&body, out->max / 2);
	if (words) {
		text_print(f.line, sizeof(f.line), "%s\n%s", words->title, words->text);
		fill_form(&body, &f, nth(forms, 2u * t->service + 1));
	}
	buf_add_text(out, words ? "POST " : "GET ");
	fill_form(out, &f, nth(forms, 2u * t->service));
	buf_print(out,
	    " HTTP/1.1\r\nUser-Agent: autoheal/" AUTOHEAL_VERSION
	    "\r\nConnection: close\r\nHost: %s%.*s%s",
	    v6 ? "[" : "", (int)t->server.n, t->server.p, v6 ? "]" : "");
	if (t->port != (t->tls ? 443 : 80))
		buf_print(out, ":%u", t->port);
	add_authorization(out, t);
	if (words)
		buf_print(out, "\r\nContent-Type: application/%s\r\nContent-Length: %zu",
		    t->service == NOTICE_PUSHOVER ? "x-www-form-urlencoded" : "json", body.n);
	buf_add_text(out, "\r\n\r\n");
	buf_add_span(out, (struct span){body.p, body.n});
	out->failed |= body.failed;
	buf_free(&body);
}

/* ---- which events --------------------------------------------------------------------------- */

bool notice_read_kinds(struct span list, uint32_t *kinds, struct span *wrong)
{
	*kinds = 0;
	while (span_next(&list, ',', wrong)) {
		int kind = audit_kind_of(*wrong);

		if (span_is_nocase(*wrong, "all"))
			*kinds = UINT32_MAX;
		else if (kind < 0)
			return false;
		else
			*kinds |= 1u << kind;
	}
	return true;
}

/* What is known of the event's identity, or the place of the one that was heard of least lately. */
static struct notice_known *find(struct notice_known *known, const struct audit_event *e)
{
	uint64_t who = text_hash(e->stable_id.n ? e->stable_id : e->name, 0);
	struct notice_known *oldest = known;

	for (struct notice_known *k = known; k < known + NOTICE_KNOWN_MAX; k++) {
		if (k->who == who && k->heard)
			return k;
		if (k->heard < oldest->heard)
			oldest = k;
	}
	*oldest = (struct notice_known){.who = who, .incident = UINT64_MAX, .count = NOTICE_FULL};
	return oldest;
}

static bool within_hour(uint64_t then, uint64_t now)
{
	return then && now - then < NOTICE_HOUR_MS;
}

static void begin_incident(struct notice_known *k, uint64_t now)
{
	k->told = k->ended = false;
	k->cause[0] = 0;
	k->quiet = within_hour(k->began[k->at], now);
	k->began[k->at] = now;
	k->at = (uint8_t)((k->at + 1) % NOTICE_FULL);
	k->count = k->quiet ? k->count + 1 : NOTICE_FULL;
}

static enum notice_verdict judge_quiet(struct notice_known *k, uint64_t now, unsigned *count)
{
	if (k->told || within_hour(k->counted, now))
		return NOTICE_NONE;
	k->told = true;
	k->counted = now;
	*count = k->count;
	k->count = 0;
	return NOTICE_SEND;
}

enum notice_verdict notice_judge(struct notice_known *known, uint32_t kinds,
    const struct audit_event *e, bool ends, uint64_t now, const char **cause, unsigned *count)
{
	bool listed = kinds >> e->kind & 1;
	struct notice_known *k;

	*cause = "";
	*count = 0;
	if ((!e->incident && e->kind != AUDIT_NOT_RECOVERED) || e->kind == AUDIT_AUTO_UNQUARANTINE ||
	    e->kind == AUDIT_STORM || e->kind == AUDIT_ENGINE_LOST)
		return listed ? NOTICE_SEND : NOTICE_NONE;
	now++; /* 0 is never */
	k = find(known, e);
	k->heard = now;
	/* a relapse is told before the incident that it opens has its number */
	if (!e->incident || (k->incident && k->incident != e->incident))
		begin_incident(k, now);
	k->incident = e->incident;
	if (e->reason.n && !k->cause[0])
		span_copy(e->reason, k->cause, sizeof(k->cause));
	*cause = k->cause;
	if (!listed)
		return NOTICE_NONE;
	if (k->quiet && e->kind != AUDIT_QUARANTINE)
		return judge_quiet(k, now, count);
	ends |= e->kind == AUDIT_RECOVERED || e->kind == AUDIT_QUARANTINE;
	ends &= e->incident && e->kind != AUDIT_RESTART && e->kind != AUDIT_DEPENDENT_RESTART;
	if (k->told && !ends)
		return NOTICE_NONE;
	if (k->ended)
		return NOTICE_REPLACE;
	k->told = true;
	k->ended = ends;
	return NOTICE_SEND;
}
