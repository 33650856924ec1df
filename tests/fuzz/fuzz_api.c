/* fuzz_api.c - a hostile client of the API: the input is what it sends on one connection, in pieces where a zero byte stands.
 * Writes are open, so that every call is reached. What comes back is HTTP. */
#include "api.h"
#include "fuzz_world.h"

#define TURNS_MAX 200

static bool nobody(int fd, const char *request)
{
	(void)fd;
	(void)request;
	return false;
}

static void ignore(const char *sentence)
{
	(void)sentence;
}

/* Takes what is there; the first bytes must be those of an answer. */
static void take(int fd, bool *begun)
{
	char bytes[65536];
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n <= 0)
		return;
	PROMISE(*begun || (n >= 9 && !memcmp(bytes, "HTTP/1.1 ", 9)));
	*begun = true;
}

static void talk(struct loop *loop, struct span rest, const char *name)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct net_address a;
	bool begun = false;

	PROMISE(fd >= 0 && net_local(&a, span_of(name)));
	PROMISE(!connect(fd, &a.to.any, a.length));
	while (rest.n) {
		struct span part = fuzz_part(&rest);

		world_say(fd, part.p, part.n);
		loop_turn(loop);
		take(fd, &begun);
	}
	shutdown(fd, SHUT_WR);
	for (unsigned i = 0; i < TURNS_MAX; i++) {
		loop_turn(loop);
		take(fd, &begun);
	}
	close(fd);
	loop_turn(loop);
}

static void fill(struct monitor *m)
{
	struct identity *identity = containers_identity(&m->policy.containers, span_of("web"), true);
	uint8_t id[32] = {0xab, 0xcd};
	struct container *c = containers_add(&m->policy.containers, 0, id, span_of("web"), identity);

	PROMISE(c);
	c->running = true;
	monitor_tell(m, AUDIT_CONFIG, "changed", "local", "something");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char *environment[] = {"AUTOHEAL_API_WRITES=open", "AUTOHEAL_LISTEN=off",
	    "AUTOHEAL_API_READS=open", NULL, NULL};
	static struct call_workspace workspace;
	static struct loop loop;
	static struct monitor monitor;
	static struct server server;
	static struct api api;
	static struct config config;
	static char instance[48];
	struct target target = {0};
	char error[256];

	memset(&loop, 0, sizeof(loop));
	memset(&monitor, 0, sizeof(monitor));
	memset(&server, 0, sizeof(server));
	snprintf(instance, sizeof(instance), "AUTOHEAL_INSTANCE=fuzz-%d", (int)getpid());
	environment[3] = instance;
	world_begin(NULL, nobody);
	loop_init(&loop);
	PROMISE(!config_init(&config, environment, error, sizeof(error), ignore));
	PROMISE(!target_read(
	    &target, "unix:///nonexistent", false, "DOCKER_HOST", error, sizeof(error)));
	snprintf(target.name, sizeof(target.name), "local");
	monitor_init(&monitor, &loop, &workspace, &config.now, 42);
	monitor.config = &config;
	PROMISE(monitor_add_engine(&monitor, &target));
	PROMISE(!server_init(&server, &loop, &config.now, workspace.bytes, sizeof(workspace.bytes),
	    error, sizeof(error)));
	api_init(&api, &monitor, &config.now, &server);
	server_start(&server);
	fill(&monitor);
	talk(&loop, fuzz_span(data, size), server.local_name);
	server_close(&server);
	monitor_close(&monitor);
	policy_free(&monitor.policy);
	config_free(&config);
	world_end();
	return 0;
}
