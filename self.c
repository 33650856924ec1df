/* self.c - finding autoheal's own container, of self.h. */
#include "self.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "buf.h"
#include "facts.h"
#include "json.h"
#include "log.h"

#define MOUNTINFO_MAX (256 * 1024) /* a host with a thousand containers has a long one */
#define ASK_AGAIN_MS 1000
#define TRIES_MAX 30

/* The id among the parts of a path, from the end: Podman puts it above `userdata`. */
static struct span id_in_path(struct span path)
{
	struct span rest = path, part, found = {NULL, 0};
	uint8_t id[32];

	while (span_next(&rest, '/', &part))
		if (text_unhex(part, id, 32))
			found = part;
	return found;
}

static bool is_own_file(struct span mount_point)
{
	return span_is(mount_point, "/etc/hostname") || span_is(mount_point, "/etc/hosts") ||
	    span_is(mount_point, "/etc/resolv.conf") || span_is(mount_point, "/run/.containerenv");
}

/* One line: "36 35 98:0 /root/in/fs /mount/point …" (proc(5)). On a host the mounts of all
 * containers are listed, but at other mount points. */
static struct span id_in_line(struct span line)
{
	struct span field, root = {NULL, 0};

	for (int i = 0; i < 5 && span_next(&line, ' ', &field); i++) {
		if (i == 3)
			root = field;
		if (i == 4 && is_own_file(field))
			return id_in_path(root);
	}
	return (struct span){NULL, 0};
}

struct span self_find_id(struct span mountinfo)
{
	struct span line, id;

	while (span_next(&mountinfo, '\n', &line)) {
		id = id_in_line(line);
		if (id.p)
			return id;
	}
	return (struct span){NULL, 0};
}

static bool is_from_mounts(struct self *s)
{
	struct span id = {NULL, 0};
	struct buf text;
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);
	ssize_t n = 1;

	if (fd < 0)
		return false;
	buf_init(&text, MOUNTINFO_MAX);
	while (n > 0) {
		char *room = buf_room(&text, 4096);

		n = room ? read(fd, room, 4096) : 0;
		if (n > 0)
			text.n += (size_t)n;
	}
	close(fd);
	id = self_find_id((struct span){text.p, text.n});
	if (id.p)
		monitor_set_self(s->monitor, id);
	buf_free(&text);
	return id.p != NULL;
}

static void value(struct call *call, const struct json *j)
{
	struct self *s = call->owner;
	struct container_facts facts;
	char id[65];

	/* a container that is only named like our host is not us: its own hostname must be ours too */
	if (!json_is(j, json_get(j, 0, "Config.Hostname"), s->hostname) ||
	    !facts_read_inspected(j, 0, &facts))
		return;
	text_hex(facts.id, 32, id);
	monitor_set_self(s->monitor, span_of(id));
	log_line(LOG_INFO, "autoheal", "Its own container is '%s' (%.12s): it is never restarted",
	    facts.name, id);
}

static void done(struct call *call)
{
	(void)call;
}

static const struct call_handler handler = {.value = value, .done = done};

static void ask(void *owner)
{
	struct self *s = owner;
	const char *error;

	if (s->monitor->self_known || ++s->tries > TRIES_MAX)
		return;
	if (!s->engine->connected ||
	    !docker_request(s->engine, "GET", JSON_STREAM, s->monitor->settings->curl_timeout,
		&handler, s, &error, "/containers/%s/json", s->hostname))
		loop_after(s->monitor->loop, &s->timer, ASK_AGAIN_MS);
}

/* A name that may stand in a path as it is. */
static bool is_plain(const char *name)
{
	return name[0] &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") ==
	    strlen(name);
}

void self_init(struct self *s, struct monitor *monitor, struct docker *engine)
{
	s->monitor = monitor;
	s->engine = engine;
	s->timer = (struct loop_timer){.fire = ask, .owner = s};
}

void self_start(struct self *s)
{
	if (is_from_mounts(s))
		return;
	/* outside of a container there is nothing to find: pid 1 or the engine's mark says that we are in one */
	if (getpid() != 1 && access("/.dockerenv", F_OK) && access("/run/.containerenv", F_OK))
		return;
	if (gethostname(s->hostname, sizeof(s->hostname) - 1) || !is_plain(s->hostname))
		return;
	loop_after(s->monitor->loop, &s->timer, 0);
}
