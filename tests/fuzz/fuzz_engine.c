/* fuzz_engine.c - a hostile engine: the parts of the input are its answers to /version, the list, an inspect, a restart or any
 * other call, and then events; a part that begins with HTTP/ is a whole answer, head and all. The monitor and the policy live
 * through two simulated minutes of it. */
#include "fuzz_world.h"
#include "monitor.h"

#define LASTS_MS 120000
#define TURNS_MAX 400

static struct span version, list, inspect, other, events;

static void say(int fd, const char *status, struct span body)
{
	char head[128];
	int n;

	if (span_starts(body, "HTTP/")) {
		world_say(fd, body.p, body.n);
		return;
	}
	n = snprintf(head, sizeof(head),
	    "HTTP/1.1 %s\r\nApi-Version: 1.47\r\nContent-Length: %zu\r\n\r\n", status, body.n);
	world_say(fd, head, (size_t)n);
	world_say(fd, body.p, body.n);
}

static void say_events(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
	char size[32];

	if (span_starts(events, "HTTP/")) {
		world_say(fd, events.p, events.n);
		return;
	}
	world_say(fd, head, sizeof(head) - 1);
	if (!events.n)
		return;
	world_say(fd, size, (size_t)snprintf(size, sizeof(size), "%zx\r\n", events.n));
	world_say(fd, events.p, events.n);
	world_say(fd, "\r\n", 2);
}

static bool answer(int fd, const char *request)
{
	if (strstr(request, "/version HTTP"))
		say(fd, "200 OK",
		    version.n ? version
			      : span_of("{\"Version\":\"27.5.1\",\"ApiVersion\":\"1.47\"}"));
	else if (strstr(request, "/events?")) {
		say_events(fd);
		return true;
	} else if (strstr(request, "/containers/json?"))
		say(fd, "200 OK", list.n ? list : span_of("[]"));
	else if (!strncmp(request, "GET", 3) && strstr(request, "/json"))
		say(fd, "200 OK", inspect);
	else
		say(fd, "204 No Content", other);
	return false;
}

static void ignore(const char *sentence)
{
	(void)sentence;
}

/* Whatever was told is JSON. */
static void check_events(const struct audit *audit)
{
	struct audit_cursor cursor = {0};
	struct audit_event e;
	uint64_t seq = 0;

	while (audit_next(audit, &cursor, &e)) {
		struct json_writer w;
		struct buf out;

		buf_init(&out, 1 << 16);
		json_start(&w, &out);
		audit_print(&w, &e);
		fuzz_is_json(&out);
		buf_free(&out);
		PROMISE(e.seq > seq);
		seq = e.seq;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *environment[] = {
	    "AUTOHEAL_CONTAINER_LABEL=all", "AUTOHEAL_COOLDOWN=1", "AUTOHEAL_INTERVAL=20", NULL};
	static struct call_workspace workspace;
	static struct loop loop;
	static struct monitor monitor;
	static struct settings settings;
	struct span rest = fuzz_span(data, size);
	struct target target = {0};
	char url[64], name[48], error[256];

	version = fuzz_part(&rest);
	list = fuzz_part(&rest);
	inspect = fuzz_part(&rest);
	other = fuzz_part(&rest);
	events = rest;
	memset(&loop, 0, sizeof(loop));
	memset(&monitor, 0, sizeof(monitor));
	snprintf(name, sizeof(name), "@autoheal-fuzz-%d", (int)getpid());
	world_begin(name, answer);
	loop_init(&loop);
	PROMISE(!config_read(&settings, environment, error, sizeof(error), ignore));
	snprintf(url, sizeof(url), "unix://%s", name);
	PROMISE(!target_read(&target, url, false, "DOCKER_HOST", error, sizeof(error)));
	snprintf(target.name, sizeof(target.name), "local");
	monitor_init(&monitor, &loop, &workspace, &settings, 42);
	PROMISE(monitor_add_engine(&monitor, &target));
	monitor_start(&monitor);
	for (unsigned i = 0; i < TURNS_MAX && world.now < WORLD_BEGINS + LASTS_MS; i++)
		loop_turn(&loop);
	check_events(&monitor.audit);
	monitor_stop(&monitor);
	world_vanish();
	for (unsigned i = 0; i < 20; i++) /* what is under way sees it, and ends */
		loop_turn(&loop);
	monitor_close(&monitor);
	policy_free(&monitor.policy);
	world_end();
	return 0;
}
