/* test_notice.c - what notice.h promises: for each service the request to the byte, words that stay data, and which
 * events of an incident are told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "json.h"
#include "notice.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))
#define HOUR (3600 * 1000ull)

static struct notice_target target;
static struct notice_words words;
static char request[NOTICE_REQUEST_MAX + 1], body[NOTICE_REQUEST_MAX + 1];

/* ---- helpers --------------------------------------------------------------------------------- */

static struct audit_event event_of(enum audit_kind kind, const char *status, const char *message)
{
	return (struct audit_event){.kind = kind,
	    .wall = 1761827723789,
	    .seq = 7,
	    .exit_code = INT32_MIN,
	    .duration_ms = -1,
	    .incident = 0xabc,
	    .restart_count = 2,
	    .status = span_of(status),
	    .message = span_of(message),
	    .name = span_of("web"),
	    .stable_id = span_of("web"),
	    .host = span_of("local"),
	    .reason = span_of("unhealthy")};
}

/* Reads a copy that lies on the heap, so that the sanitizer sees a read beyond it. */
static const char *read_as(const char *url, enum notice_service service)
{
	static char *copy;

	free(copy);
	copy = malloc(strlen(url));
	memcpy(copy, url, strlen(url));
	memset(&target, 0xA5, sizeof(target));
	return notice_read_target(&target, (struct span){copy, strlen(url)}, service);
}

static void ask(struct span json, bool with_words)
{
	struct buf out;
	char *end;

	buf_init(&out, NOTICE_REQUEST_MAX);
	notice_request(&target, with_words ? &words : NULL, json, &out);
	assert_false(out.failed);
	memcpy(request, out.p, out.n);
	request[out.n] = 0;
	assert_int_equal(strlen(request), out.n);
	buf_free(&out);
	end = strstr(request, "\r\n\r\n");
	assert_non_null(end);
	strcpy(body, end + 4);
	end[2] = 0;
}

static bool has_header(const char *line)
{
	char wanted[512];

	snprintf(wanted, sizeof(wanted), "\r\n%s\r\n", line);
	return strstr(request, wanted) != NULL;
}

/* ---- requests -------------------------------------------------------------------------------- */

struct golden {
	const char *url, *shown, *line, *headers[3], *body;
	enum notice_service service;
	bool plain;
};

#define TEXT "\"web: restart\\nRestarted because it was unhealthy\\nCause: unhealthy\""
#define TITLE "\"web: restart\""
#define MESSAGE "\"Restarted because it was unhealthy\\nCause: unhealthy\""

static const struct golden goldens[] = {
    {"https://hooks.example.org/in/s3cret?x=1", "https://hooks.example.org",
	"POST /in/s3cret?x=1 HTTP/1.1", {"Host: hooks.example.org", "Content-Type: application/json"},
	"{\"title\":" TITLE ",\"text\":" MESSAGE
	",\"timestamp\":\"2025-10-30T12:35:23.789Z\",\"container_id\":\"\",\"container_name\":\"web\",\"event_type\":"
	"\"restart\",\"restart_count\":2,\"status\":\"success\",\"message\":\"Restarted because it was unhealthy\","
	"\"seq\":7,\"host\":\"local\",\"stable_id\":\"web\",\"reason\":\"unhealthy\",\"incident\":\"abc\"}",
	NOTICE_GENERIC, false},
    {"http://user:p%40ss@[::1]:8080", "http://::1", "POST / HTTP/1.1",
	{"Host: [::1]:8080", "Authorization: Basic dXNlcjpwQHNz"}, NULL, NOTICE_GENERIC, true},
    {"discord://t0ken-x_y@1234567890", "discord://discord.com",
	"POST /api/webhooks/1234567890/t0ken-x_y HTTP/1.1", {"Host: discord.com"},
	"{\"content\":" TEXT ",\"allowed_mentions\":{\"parse\":[]}}", NOTICE_GENERIC, false},
    {"discord://t@12?thread_id=5", "discord://discord.com",
	"POST /api/webhooks/12/t?thread_id=5 HTTP/1.1", {NULL}, NULL, NOTICE_GENERIC, false},
    {"https://discord.com/api/webhooks/12/tok", "https://discord.com",
	"POST /api/webhooks/12/tok HTTP/1.1", {"Host: discord.com"},
	"{\"content\":" TEXT ",\"allowed_mentions\":{\"parse\":[]}}", NOTICE_GENERIC, false},
    {"https://discord.com/api/webhooks/12/tok", "https://discord.com",
	"POST /api/webhooks/12/tok HTTP/1.1", {NULL},
	"{\"content\":" TEXT ",\"allowed_mentions\":{\"parse\":[]}}", NOTICE_WEBHOOK, false},
    {"slack://T00/B00/XXX", "slack://hooks.slack.com", "POST /services/T00/B00/XXX HTTP/1.1",
	{"Host: hooks.slack.com"}, "{\"text\":" TEXT "}", NOTICE_GENERIC, false},
    {"slack://bot@T00/B00/XXX?color=good", "slack://hooks.slack.com",
	"POST /services/T00/B00/XXX HTTP/1.1", {NULL}, NULL, NOTICE_GENERIC, false},
    {"slack://hook:T00-B00-XXX@webhook", "slack://hooks.slack.com",
	"POST /services/T00/B00/XXX HTTP/1.1", {NULL}, NULL, NOTICE_GENERIC, false},
    {"teams://prod-1.westus.logic.azure.com:443/workflows/1/triggers/manual/paths/invoke?api-version=1&sig=x%2Fy",
	"teams://prod-1.westus.logic.azure.com",
	"POST /workflows/1/triggers/manual/paths/invoke?api-version=1&sig=x%2Fy HTTP/1.1",
	{"Host: prod-1.westus.logic.azure.com"},
	"{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card.adaptive\",\"content\":"
	"{\"type\":\"AdaptiveCard\",\"version\":\"1.4\",\"body\":[{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":"
	"\"TextRun\",\"text\":" TEXT "}]}]}}]}",
	NOTICE_GENERIC, false},
    {"telegram://110201543:AAHdqTcv-x@telegram?chats=@channel", "telegram://api.telegram.org",
	"POST /bot110201543:AAHdqTcv-x/sendMessage HTTP/1.1", {"Host: api.telegram.org"},
	"{\"chat_id\":\"@channel\",\"text\":" TEXT ",\"link_preview_options\":{\"is_disabled\":true}}",
	NOTICE_GENERIC, false},
    {"telegram://1:A@telegram/?channels=-100123:42", "telegram://api.telegram.org",
	"POST /bot1:A/sendMessage HTTP/1.1", {NULL},
	"{\"chat_id\":\"-100123\",\"message_thread_id\":\"42\",\"text\":" TEXT
	",\"link_preview_options\":{\"is_disabled\":true}}",
	NOTICE_GENERIC, false},
    {"ntfy://ntfy.sh/my%20topic", "ntfy://ntfy.sh", "POST / HTTP/1.1", {"Host: ntfy.sh"},
	"{\"topic\":\"my topic\",\"title\":" TITLE ",\"message\":" MESSAGE ",\"tags\":[\"warning\"]}",
	NOTICE_GENERIC, false},
    {"ntfy://:tk_secret@push.lan:8443/alerts/?scheme=http", "ntfy://push.lan", "POST / HTTP/1.1",
	{"Host: push.lan:8443", "Authorization: Basic OnRrX3NlY3JldA=="},
	"{\"topic\":\"alerts\",\"title\":" TITLE ",\"message\":" MESSAGE ",\"tags\":[\"warning\"]}",
	NOTICE_GENERIC, true},
    {"gotify://push.example.org/AzyoeNS.D4iJLVa/?priority=1", "gotify://push.example.org",
	"POST /message HTTP/1.1", {"X-Gotify-Key: AzyoeNS.D4iJLVa"},
	"{\"title\":" TITLE ",\"message\":" MESSAGE ",\"priority\":5}", NOTICE_GENERIC, false},
    {"gotify://push.lan:80/path/to/AzyoeNS?disableTLS=yes", "gotify://push.lan",
	"POST /path/to/message HTTP/1.1", {"Host: push.lan", "X-Gotify-Key: AzyoeNS"}, NULL,
	NOTICE_GENERIC, true},
    {"pushover://shoutrrr:aPiT0ken@uSerKey/?devices=phone,pad", "pushover://api.pushover.net",
	"POST /1/messages.json HTTP/1.1", {"Content-Type: application/x-www-form-urlencoded"},
	"token=aPiT0ken&user=uSerKey&device=phone,pad&title=web%3A%20restart&message=Restarted%20because%20it%20was%20"
	"unhealthy%0ACause%3A%20unhealthy",
	NOTICE_GENERIC, false},
    {"apprise://apprise.lan:8000/k3y", "apprise://apprise.lan", "POST /notify/k3y HTTP/1.1",
	{"Host: apprise.lan:8000"},
	"{\"title\":" TITLE ",\"body\":" MESSAGE ",\"type\":\"warning\"}", NOTICE_GENERIC, true},
    {"apprises://apprise.example.org/k3y/", "apprises://apprise.example.org",
	"POST /notify/k3y HTTP/1.1", {"Host: apprise.example.org"}, NULL, NOTICE_GENERIC, false},
    {"https://hooks.example.org/x", "https://hooks.example.org", "POST /x HTTP/1.1", {NULL},
	"{\"k\":" TEXT "}", NOTICE_WEBHOOK, false},
    {"hooks.example.org:81/x#y", "http://hooks.example.org", "POST /x HTTP/1.1",
	{"Host: hooks.example.org:81"}, NULL, NOTICE_WEBHOOK, true},
    {"http://apprise:8000/notify/x", "http://apprise", "POST /notify/x HTTP/1.1", {NULL},
	"{\"title\":" TITLE ",\"body\":" MESSAGE ",\"type\":\"warning\"}", NOTICE_APPRISE_URL, true},
};

static void test_golden_requests(void **state)
{
	struct audit_event e = event_of(
	    AUDIT_RESTART, "success", "Restarted because it was unhealthy");
	struct buf json;

	(void)state;
	notice_say(&words, &e, "unhealthy", 0);
	buf_init(&json, NOTICE_REQUEST_MAX);
	notice_print(&json, &words, &e);
	for (const struct golden *g = goldens; g < goldens + COUNT(goldens); g++) {
		const char *why = read_as(g->url, g->service);
		char shown[300], length[64];
		size_t at;

		if (why)
			fail_msg("%s: %s", g->url, why);
		target.key = span_of("k");
		target.chat = notice_chats(&target);
		notice_show_target(&target, shown, sizeof(shown));
		assert_string_equal(shown, g->shown);
		assert_int_equal(target.tls, !g->plain);
		ask((struct span){json.p, json.n}, true);
		assert_memory_equal(request, g->line, strlen(g->line));
		for (size_t i = 0; i < 3 && g->headers[i]; i++)
			if (!has_header(g->headers[i]))
				fail_msg("%s lacks '%s' in\n%s", g->url, g->headers[i], request);
		snprintf(length, sizeof(length), "Content-Length: %zu", strlen(body));
		assert_true(has_header(length));
		if (g->body)
			assert_string_equal(body, g->body);
		assert_true(g->url[0] == 'p' || json_valid(span_of(body), &at));
	}
	buf_free(&json);
}

static void test_a_heartbeat_is_a_get(void **state)
{
	(void)state;
	assert_null(read_as("https://hc-ping.com/uuid?rid=1", NOTICE_HEARTBEAT));
	ask((struct span){0}, false);
	assert_memory_equal(request, "GET /uuid?rid=1 HTTP/1.1\r\n", 26);
	assert_true(has_header("Host: hc-ping.com"));
	assert_null(strstr(request, "Content-"));
	assert_string_equal(body, "");
}

static void test_what_is_no_target(void **state)
{
	static const char *const none[] = {"", "web", "foo://x", "discord://12", "discord://@12",
	    "slack://T00", "slack://", "teams://host", "telegram://token@telegram?chats=1",
	    "telegram://1:a@telegram", "telegram://1:a@telegram?chats=", "ntfy://host",
	    "ntfy://host/", "gotify://host", "pushover://token@user", "apprise://host", "https://",
	    "https://:80/x", "https://host:99999/", "https://host:x/", "https://ho st/",
	    "https://host/a\r\nX: y", "https://host/\x01", "https://host/\xc3\xa9",
	    "https://[::1/x", "://x", "https:/host"};

	(void)state;
	for (size_t i = 0; i < COUNT(none); i++)
		if (!read_as(none[i], NOTICE_GENERIC))
			fail_msg("'%s' was taken", none[i]);
	assert_non_null(read_as("ftp://host/", NOTICE_WEBHOOK));
	assert_non_null(read_as("discord://a@b", NOTICE_HEARTBEAT));
}

/* Any bytes behind any scheme: nothing is read beyond the URL, and what is taken makes a request without line ends
 * that are not ours. */
static void test_random_urls(void **state)
{
	static const char *const schemes[] = {"https", "discord", "slack", "teams", "telegram",
	    "ntfy", "gotify", "pushover", "apprise"};
	static const char bytes[] = "aB1:/@?&=#%-,.[]~ \n";
	struct audit_event e = event_of(AUDIT_RESTART, "success", "x");

	(void)state;
	srand(1);
	notice_say(&words, &e, "", 0);
	for (int i = 0; i < 100000; i++) {
		char url[64];
		int n = snprintf(url, sizeof(url), "%s://", schemes[(size_t)rand() % COUNT(schemes)]);

		for (int more = rand() % 24; more; more--)
			url[n++] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
		url[n] = 0;
		if (read_as(url, NOTICE_GENERIC))
			continue;
		target.chat = notice_chats(&target);
		ask(span_of("{}"), true);
		for (const char *p = request; (p = strstr(p, "\r\n")); p += 2)
			assert_true(!p[2] || (p[2] >= 'A' && p[2] <= 'X'));
		assert_null(strpbrk(strstr(request, " HTTP/1.1") + 9, "\x01\x02\x7f"));
	}
}

/* ---- words ----------------------------------------------------------------------------------- */

static void test_titles(void **state)
{
	static const struct {
		enum audit_kind kind;
		const char *status, *name, *host, *action, *title;
		bool good;
	} rows[] = {
	    {AUDIT_RESTART, "success", "web", "local", "restart", "web: restart", false},
	    {AUDIT_RESTART, "failure", "web", "local", "start", "web: start failed", false},
	    {AUDIT_RESTART, "success", "web", "local", "notify", "web: unhealthy", false},
	    {AUDIT_RECOVERED, "healthy", "web", "nas", "", "web on nas: recovered", true},
	    {AUDIT_NOT_RECOVERED, "timeout", "web", "local", "", "web: not recovered", false},
	    {AUDIT_CRASH_LOOP, "looping", "web", "local", "", "web: crash loop looping", false},
	    {AUDIT_CRASH_LOOP, "ended", "web", "local", "", "web: crash loop ended", true},
	    {AUDIT_ENGINE_LOST, "lost", "", "nas", "", "nas: engine lost", false},
	    {AUDIT_STORM, "started", "", "local", "", "local: storm started", false},
	    {AUDIT_MAINTENANCE, "enabled", "", "", "", "maintenance enabled", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		struct audit_event e = event_of(rows[i].kind, rows[i].status, "m");

		e.name = span_of(rows[i].name);
		e.host = span_of(rows[i].host);
		e.action = span_of(rows[i].action);
		notice_say(&words, &e, "", 0);
		assert_string_equal(words.title, rows[i].title);
		assert_int_equal(words.good, rows[i].good);
		assert_string_equal(words.text, "m");
	}
}

/* The end of it counts as little as its length: 200 bytes of the beginning, on one line. */
static void test_what_a_probe_said(void **state)
{
	struct audit_event e = event_of(AUDIT_RESTART, "success", "Restarted");
	char long_one[700];
	struct buf json;

	(void)state;
	e.health_output = span_of("  curl: (7)\n\x1b[31mrefused\n");
	notice_say(&words, &e, "unhealthy", 0);
	assert_string_equal(words.text,
	    "Restarted\nCause: unhealthy\nIts probe said: curl: (7)\\x0a\\x1b[31mrefused");
	memset(long_one, 'x', sizeof(long_one));
	e.health_output = (struct span){long_one, sizeof(long_one)};
	notice_say(&words, &e, "", 0);
	assert_int_equal(strspn(strstr(words.text, "said: ") + 6, "x"), 199);
	buf_init(&json, NOTICE_REQUEST_MAX);
	notice_print(&json, &words, &e);
	buf_add(&json, "", 1);
	assert_int_equal(strspn(strstr(json.p, "\"health_output\":\"") + 17, "x"), 399);
	buf_free(&json);
}

/* Bytes of all kinds in every place: valid JSON for every service, without controls or marks, within the bounds. */
static void test_hostile_words(void **state)
{
	static const char evil[] =
	    "a\"b\\c\n\r\t\x1b[31m\x7f\xff\xc3\x28 \xe2\x80\xae@everyone <!channel> & \xf0\x9f\x92\xa9";
	char name[255], message[1024];
	struct audit_event e;

	(void)state;
	for (size_t i = 0; i < sizeof(message); i++)
		message[i] = evil[i % (sizeof(evil) - 1)];
	memcpy(name, message, sizeof(name));
	e = event_of(AUDIT_RESTART, "failure", "");
	e.name = e.stable_id = (struct span){name, sizeof(name)};
	e.message = e.health_output = e.host = (struct span){message, sizeof(message)};
	notice_say(&words, &e, "unhealthy", 4);
	assert_true(strlen(words.title) < NOTICE_TITLE_MAX && strlen(words.text) < NOTICE_TEXT_MAX);
	assert_true(strlen(words.title) < 250 && strlen(words.text) < 1024); /* Pushover */
	assert_true(strlen(words.title) + strlen(words.text) < 2000);        /* Discord */
	for (const struct golden *g = goldens; g < goldens + COUNT(goldens); g++) {
		struct buf json;
		size_t at;

		assert_null(read_as(g->url, g->service));
		target.key = span_of("a\"b");
		target.chat = notice_chats(&target);
		buf_init(&json, NOTICE_REQUEST_MAX);
		notice_print(&json, &words, &e);
		ask((struct span){json.p, json.n}, true);
		buf_free(&json);
		assert_true(target.service == NOTICE_PUSHOVER || json_valid(span_of(body), &at));
		for (const unsigned char *p = (const unsigned char *)body; *p; p++)
			assert_true(*p >= ' ' && *p != 0x7f);
		assert_null(strstr(body, "\xe2\x80\xae"));
		assert_null(strstr(body, "\\u001b"));
		if (target.service == NOTICE_SLACK)
			assert_null(strpbrk(body, "<>"));
	}
}

static void test_secrets_are_blotted_out(void **state)
{
	static const struct {
		const char *url, *words, *left;
	} rows[] = {
	    {"https://example.org/hook/s3cret-token?key=abcdefgh",
		"Cannot POST /hook/s3cret-token?key=abcdefgh at example.org",
		"Cannot POST /hook/************?key=******** at example.org"},
	    {"discord://t0ken-x@123456789", "/api/webhooks/123456789/t0ken-x t0ken-x",
		"/api/webhooks/*********/******* *******"},
	    {"telegram://110201543:AAHdqTcv@telegram?chats=1", "bot110201543:AAHdqTcv",
		"bot*********:********"},
	    {"slack://hook:T000000-B000000-XXXXXXXX@webhook",
		"/services/T000000/B000000/XXXXXXXX no_team",
		"/services/*******/*******/******** no_team"},
	    {"https://example.org/", "all of it", "all of it"},
	    {"pushover://shoutrrr:azGDORePK8gM@uQiRzpo4DXgh", "user uQiRzpo4DXgh is unknown",
		"user ************ is unknown"},
	    /* as it was meant, not as a URL writes it */
	    {"ntfy://me:p%40ss%2Fword@ntfy.home/topic", "wrong: p@ss/word or p%40ss%2Fword",
		"wrong: ********* or *************"},
	    {"https://me:passw@example.org/",
		"Authorization: Basic bWU6cGFzc3c=", "Authorization: Basic ************"},
	    /* the words end in the middle of it */
	    {"https://example.org/s3cret-token", "no such hook: s3cret-to", "no such hook: *********"},
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_null(read_as(rows[i].url, NOTICE_GENERIC));
		strcpy(text, rows[i].words);
		notice_mask(&target, text);
		assert_string_equal(text, rows[i].left);
	}
}

/* ---- which events ------------------------------------------------------------------------------ */

static struct notice_known known[NOTICE_KNOWN_MAX];
static uint32_t kinds;
static const char *cause;
static unsigned count;
static uint64_t now;

static enum notice_verdict judge(enum audit_kind kind, uint64_t incident, bool ends)
{
	struct audit_event e = event_of(kind, "x", "m");

	e.incident = incident;
	if (kind != AUDIT_RESTART)
		e.reason = span_of("");
	return notice_judge(known, kinds, &e, ends, now, &cause, &count);
}

static int set_up(void **state)
{
	struct span wrong;

	(void)state;
	memset(known, 0, sizeof(known));
	now = 0;
	assert_true(notice_read_kinds(
	    span_of("restart, recovered,not_recovered,quarantine,auto_unquarantine,storm,engine_lost"),
	    &kinds, &wrong));
	return 0;
}

static void test_lists_of_kinds(void **state)
{
	struct span wrong;
	uint32_t got;

	(void)state;
	assert_true(notice_read_kinds(span_of("restart"), &got, &wrong));
	assert_int_equal(got, 1u << AUDIT_RESTART);
	assert_true(notice_read_kinds(span_of("storm,all"), &got, &wrong));
	assert_int_equal(got, UINT32_MAX);
	assert_false(notice_read_kinds(span_of("restart,lunch,storm"), &got, &wrong));
	assert_true(span_is(wrong, "lunch"));
}

static void test_the_first_and_the_end(void **state)
{
	(void)state;
	assert_int_equal(
	    judge(AUDIT_SKIPPED, 1, false), NOTICE_NONE); /* not listed: neither first nor told */
	assert_int_equal(judge(AUDIT_RESTART, 1, false), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_NOT_RECOVERED, 1, false), NOTICE_NONE);
	assert_int_equal(
	    judge(AUDIT_RESTART, 1, true), NOTICE_NONE); /* a restart is no end, whatever follows */
	assert_int_equal(judge(AUDIT_RECOVERED, 1, true), NOTICE_SEND);
	assert_string_equal(cause, "unhealthy");
	/* the first one may be the end as well */
	assert_int_equal(judge(AUDIT_RECOVERED, 2, true), NOTICE_SEND);
	assert_string_equal(cause, "");
	/* both told in one turn: the last word counts */
	assert_int_equal(judge(AUDIT_RESTART, 3, false), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_NOT_RECOVERED, 3, true), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_QUARANTINE, 3, true), NOTICE_REPLACE);
}

static void test_what_stands_alone(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(judge(AUDIT_STORM, 0, false), NOTICE_SEND);
		assert_int_equal(judge(AUDIT_AUTO_UNQUARANTINE, 9, true), NOTICE_SEND);
		assert_int_equal(judge(AUDIT_ENGINE_LOST, 0, false), NOTICE_SEND);
		assert_int_equal(judge(AUDIT_CONFIG, 0, false), NOTICE_NONE);
	}
}

/* A relapse is told before its incident has a number: it is the first of that one. */
static void test_a_relapse(void **state)
{
	(void)state;
	assert_int_equal(judge(AUDIT_RESTART, 1, false), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_RECOVERED, 1, true), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_NOT_RECOVERED, 0, true), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_RESTART, 2, false), NOTICE_NONE);
	assert_int_equal(judge(AUDIT_RECOVERED, 2, true), NOTICE_SEND);
	assert_string_equal(cause, "unhealthy");
}

static void test_from_the_fourth_in_an_hour_on(void **state)
{
	uint64_t incident = 0;

	(void)state;
	for (int i = 0; i < 3; i++, now += 60000) {
		assert_int_equal(judge(AUDIT_RESTART, ++incident, false), NOTICE_SEND);
		assert_int_equal(judge(AUDIT_RECOVERED, incident, true), NOTICE_SEND);
		assert_int_equal(count, 0);
	}
	assert_int_equal(judge(AUDIT_RESTART, ++incident, false), NOTICE_SEND);
	assert_int_equal(count, 4);
	assert_int_equal(judge(AUDIT_RECOVERED, incident, true), NOTICE_NONE);
	/* every five minutes: one message an hour, with how many there were */
	for (int i = 0; i < 11; i++) {
		now += 5 * 60000;
		assert_int_equal(judge(AUDIT_RESTART, ++incident, false), NOTICE_NONE);
		assert_int_equal(judge(AUDIT_RECOVERED, incident, true), NOTICE_NONE);
	}
	now += 5 * 60000;
	assert_int_equal(judge(AUDIT_RESTART, ++incident, false), NOTICE_SEND);
	assert_int_equal(count, 12);
	/* given up: that is told whatever the hour */
	assert_int_equal(judge(AUDIT_QUARANTINE, incident, true), NOTICE_SEND);
	/* an hour of rest, and it is told whole again */
	now += HOUR;
	assert_int_equal(judge(AUDIT_RESTART, ++incident, false), NOTICE_SEND);
	assert_int_equal(judge(AUDIT_RECOVERED, incident, true), NOTICE_SEND);
	assert_int_equal(count, 0);
}

/* More identities than are remembered: each is told of all the same. */
static void test_more_than_are_remembered(void **state)
{
	char name[32];

	(void)state;
	for (uint64_t i = 1; i < 3 * NOTICE_KNOWN_MAX; i++, now++) {
		struct audit_event e = event_of(AUDIT_RESTART, "success", "m");

		snprintf(name, sizeof(name), "c%u", (unsigned)i);
		e.stable_id = span_of(name);
		e.incident = i;
		assert_int_equal(
		    notice_judge(known, kinds, &e, false, now, &cause, &count), NOTICE_SEND);
		assert_int_equal(
		    notice_judge(known, kinds, &e, false, now, &cause, &count), NOTICE_NONE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_golden_requests),
	    cmocka_unit_test(test_a_heartbeat_is_a_get),
	    cmocka_unit_test(test_what_is_no_target),
	    cmocka_unit_test(test_random_urls),
	    cmocka_unit_test(test_titles),
	    cmocka_unit_test(test_what_a_probe_said),
	    cmocka_unit_test(test_hostile_words),
	    cmocka_unit_test(test_secrets_are_blotted_out),
	    cmocka_unit_test(test_lists_of_kinds),
	    cmocka_unit_test_setup(test_the_first_and_the_end, set_up),
	    cmocka_unit_test_setup(test_what_stands_alone, set_up),
	    cmocka_unit_test_setup(test_a_relapse, set_up),
	    cmocka_unit_test_setup(test_from_the_fourth_in_an_hour_on, set_up),
	    cmocka_unit_test_setup(test_more_than_are_remembered, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
