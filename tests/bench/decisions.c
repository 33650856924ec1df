/* decisions.c - the policy alone: what it decides in a second of CPU, and what a watched container takes of memory.
 *
 *     decisions heals N     N heals in turn among a thousand containers: decisions, and microseconds of CPU
 *     decisions memory N    N watched containers: bytes that were asked for, bytes of RssAnon
 *
 * A decision is one event that is applied and then weighed as the end of its read. Memory is what the tables ask for
 * (records, names, identities, hashes, the heap of what is due), and what that takes in pages with musl's malloc. It is
 * linked with malloc, calloc, realloc and free wrapped.
 */
#include "bench.h"

#include <malloc.h>

#include "policy.h"

enum { WATCHED = 1000, EVENTS_OF_A_HEAL = 8, BETWEEN_HEALS_MS = 200 };

static struct settings settings;
static struct policy policy;
static uint64_t now = 5000000;
static unsigned long long requests;
static long long asked; /* bytes of the heap */
static int depth;

/* ---- what the heap is asked for ------------------------------------------------------------------ */

void *__real_malloc(size_t n);
void *__real_calloc(size_t items, size_t n);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t items, size_t n);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

/* musl's calloc and realloc call the others in their turn: what the outermost is asked for counts. */
static void count(long long bytes)
{
	asked += depth ? 0 : bytes;
}

/* musl's malloc_usable_size is what was asked for. */
static long long size_of(void *p)
{
	return p ? (long long)malloc_usable_size(p) : 0;
}

void *__wrap_malloc(size_t n)
{
	count((long long)n);
	return __real_malloc(n);
}

void *__wrap_calloc(size_t items, size_t n)
{
	void *p;

	count((long long)(items * n));
	depth++;
	p = __real_calloc(items, n);
	depth--;
	return p;
}

void *__wrap_realloc(void *old, size_t n)
{
	void *p;

	count((long long)n - size_of(old));
	depth++;
	p = __real_realloc(old, n);
	depth--;
	return p;
}

void __wrap_free(void *p)
{
	count(-size_of(p));
	__real_free(p);
}

static long long rss_anon(void)
{
	char text[4096], *at;
	FILE *file = fopen("/proc/self/status", "r");
	size_t n = file ? fread(text, 1, sizeof(text) - 1, file) : 0;

	if (file)
		fclose(file);
	text[n] = 0;
	at = strstr(text, "RssAnon:");
	if (!at)
		fail("/proc/self/status");
	return strtoll(at + 8, NULL, 10) * 1024;
}

/* ---- a policy and its containers ------------------------------------------------------------------ */

static void no_warning(const char *sentence)
{
	(void)sentence;
}

static void begin(void)
{
	char cooldown[] = "AUTOHEAL_COOLDOWN=0", limit[] = "AUTOHEAL_MAX_RESTARTS=0";
	char *environment[] = {cooldown, limit, NULL};
	char error[256];

	if (config_read(&settings, environment, error, sizeof(error), no_warning)) {
		fprintf(stderr, "%s\n", error);
		exit(1);
	}
	policy_init(&policy, &settings, now, 42, 100);
}

/* Two of three are Compose's, whose identity is another text than their name. */
static struct container *watch(unsigned number)
{
	static const char *const services[] = {
	    "web", "database", "cache", "worker", "queue", "scheduler", "proxy", "mailer"};
	const char *service = services[number % 8];
	char name[64], stable[64];
	struct identity *identity;
	struct container *c;
	uint8_t id[32];

	if (number % 3) {
		snprintf(name, sizeof(name), "project%u-%s-1", number / 8, service);
		snprintf(stable, sizeof(stable), "project%u_%s", number / 8, service);
	} else {
		snprintf(name, sizeof(name), "%s-of-customer-%u", service, number);
		memcpy(stable, name, sizeof(stable));
	}
	for (size_t i = 0; i < sizeof(id); i++)
		id[i] = (uint8_t)((number + 1) * 2654435761u >> i % 4 * 8 ^ i * 37);
	memcpy(id, &number, sizeof(number));
	identity = containers_identity(&policy.containers, span_of(stable), true);
	c = identity ? containers_add(&policy.containers, 0, id, span_of(name), identity) : NULL;
	if (!c)
		fail(name);
	c->running = true;
	c->health = HEALTH_GOOD;
	c->stop_timeout = 10;
	return c;
}

/* ---- the measurements ------------------------------------------------------------------------------ */

static void decide(struct container *c, struct policy_event event)
{
	struct action list[64];
	struct actions out = {.list = list, .room = 64};

	policy_on_event(&policy, c, &event, now, &out);
	while (policy_run(&policy, now, &out))
		out.count = 0;
	for (size_t i = 0; i < out.count; i++)
		requests += list[i].kind == ACTION_RESTART;
}

/* As a Docker engine tells it. */
static void heal(struct container *c)
{
	static const struct policy_answer answer = {.kind = ANSWER_DONE, .status = 204};

	decide(c, (struct policy_event){.kind = EVENT_UNHEALTHY, .live = true});
	decide(c, (struct policy_event){.kind = EVENT_KILL});
	decide(c, (struct policy_event){.kind = EVENT_DIE, .has_exit_code = true, .exit_code = 143});
	decide(c, (struct policy_event){.kind = EVENT_STOP});
	decide(c, (struct policy_event){.kind = EVENT_START});
	decide(c, (struct policy_event){.kind = EVENT_RESTARTED});
	decide(c, (struct policy_event){.kind = EVENT_ANSWER, .answer = &answer});
	decide(c, (struct policy_event){.kind = EVENT_HEALTHY});
	now += BETWEEN_HEALS_MS;
}

static void heals(unsigned long n)
{
	struct container *all[WATCHED];
	int64_t cpu;

	for (unsigned i = 0; i < WATCHED; i++)
		all[i] = watch(i);
	for (unsigned i = 0; i < WATCHED; i++)
		heal(all[i]); /* the first trouble takes memory */
	requests = 0;
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	for (unsigned long i = 0; i < n; i++)
		heal(all[i % WATCHED]);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	if (requests != n) {
		fprintf(stderr, "%llu restarts of %lu\n", requests, n);
		exit(1);
	}
	printf("%lu %lld\n", n * EVENTS_OF_A_HEAL, (long long)cpu / 1000);
}

static void memory(unsigned long n)
{
	long long before, pages = rss_anon();

	pages = rss_anon(); /* stdio has its buffers now */
	before = asked;
	for (unsigned i = 0; i < n; i++)
		watch(i);
	printf("%lld %lld\n", asked - before, rss_anon() - pages);
}

int main(int argc, char **argv)
{
	unsigned long n = argc == 3 ? strtoul(argv[2], NULL, 10) : 0;

	if (!n || (!strcmp(argv[1], "memory") && n > CONTAINERS_MAX)) {
		fprintf(stderr, "decisions heals|memory COUNT\n");
		return 64;
	}
	begin();
	if (!strcmp(argv[1], "heals"))
		heals(n);
	else
		memory(n);
	policy_free(&policy);
	return 0;
}
