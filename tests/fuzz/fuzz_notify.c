/* fuzz_notify.c - a hostile server of notices: the first byte chooses the service, the next part is the event's foreign text,
 * the rest is what the server answers, over and over. */
#include "fuzz_world.h"
#include "notify.h"

#include "log.h"

#define TURNS_MAX 120

static struct span said;

static bool answer(int fd, const char *request)
{
	PROMISE(!strncmp(request, "POST ", 5) || !strncmp(request, "GET ", 4));
	world_say(fd, said.p, said.n);
	return false;
}

static void ignore(const char *sentence)
{
	(void)sentence;
}

static int listen_somewhere(uint16_t *port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	PROMISE(fd >= 0 && !bind(fd, (struct sockaddr *)&a, n) && !listen(fd, 16));
	PROMISE(!getsockname(fd, (struct sockaddr *)&a, &n));
	*port = ntohs(a.sin_port);
	return fd;
}

static struct audit_event event(struct span text, enum audit_kind kind, const char *status)
{
	return (struct audit_event){.kind = kind,
	    .status = span_of(status),
	    .name = text,
	    .stable_id = text,
	    .host = span_of("local"),
	    .message = text,
	    .health_output = text,
	    .incident = 7,
	    .wall = WORLD_WALL,
	    .exit_code = INT32_MIN,
	    .duration_ms = -1};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const forms[] = {"http://127.0.0.1:%u/hook",
	    "ntfy://user:secret@127.0.0.1:%u/topic?scheme=http",
	    "gotify://127.0.0.1:%u/secret?disabletls=yes", "apprise://127.0.0.1:%u/key?scheme=http"};
	static struct call_workspace workspace;
	static struct loop loop;
	static struct notify notify;
	static struct settings settings;
	static char setting[128];
	static char *environment[] = {setting, "AUTOHEAL_NOTIFY_EVENTS=all", NULL};
	struct span rest = fuzz_span(data, size);
	const char *form = forms[fuzz_byte(&rest) % 4];
	char *text, error[256], url[96];
	struct audit_event e;
	struct span words;
	uint16_t port;
	size_t n;

	words = fuzz_part(&rest);
	words.n = words.n < AUDIT_TEXT_MAX ? words.n : AUDIT_TEXT_MAX;
	text = fuzz_copy(words, false);
	words.p = text;
	said = rest;
	memset(&loop, 0, sizeof(loop));
	memset(&notify, 0, sizeof(notify));
	world_begin(NULL, answer);
	world.listener = listen_somewhere(&port);
	n = (size_t)snprintf(setting, sizeof(setting), "AUTOHEAL_NOTIFY=");
	snprintf(url, sizeof(url), form, port);
	snprintf(setting + n, sizeof(setting) - n, "%s", url);
	loop_init(&loop);
	PROMISE(!config_read(&settings, environment, error, sizeof(error), ignore));
	if (!notify_init(&notify, &loop, &workspace, &settings, error, sizeof(error))) {
		notify.most = 4;
		e = event(words, AUDIT_RESTART, "success");
		notify_event(&notify, &e, false);
		e = event(words, AUDIT_RECOVERED, "healthy");
		notify_event(&notify, &e, true);
		for (unsigned i = 0; i < TURNS_MAX; i++)
			loop_turn(&loop);
		notify_close(&notify);
	}
	world_end();
	free(text);
	return 0;
}
