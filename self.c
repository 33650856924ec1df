/* self.c - finding autoheal's own container, of self.h. */
#include "self.h"

#include <fcntl.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "buf.h"

#define MOUNTINFO_MAX (256 * 1024) /* a host with a thousand containers has a long one */

/* Whether a hex digit stands there; SIZE_MAX is before the first. */
static bool is_hex(struct span path, size_t at)
{
	return at < path.n && memchr("0123456789abcdef", path.p[at], 16);
}

/* The last id in a path: Podman puts it above `userdata`, systemd between "docker-" and ".scope", and
 * of nested engines the inner one stands behind. */
static struct span id_in_path(struct span path)
{
	struct span found = {NULL, 0};
	uint8_t id[32];

	for (size_t i = 0; i + 64 <= path.n; i++) {
		struct span part = {path.p + i, 64};

		if (!text_unhex(part, id, 32) || is_hex(path, i - 1) || is_hex(path, i + 64))
			continue;
		found = part;
		i += 63;
	}
	return found;
}

/* The fields of a line that count: "36 35 98:0 /root/in/fs /mount/point opts - fstype source opts"
 * (proc(5)). */
struct mount {
	struct span root, point, type;
};

/* On a host the mounts of all containers are listed, but at other mount points. */
static bool is_own_file(const struct mount *m)
{
	struct span mount_point = m->point;

	return span_is(mount_point, "/etc/hostname") || span_is(mount_point, "/etc/hosts") ||
	    span_is(mount_point, "/etc/resolv.conf") || span_is(mount_point, "/run/.containerenv");
}

static struct mount read_line(struct span line)
{
	struct mount m = {{NULL, 0}, {NULL, 0}, {NULL, 0}};
	struct span field;
	int number = 0;
	bool is_type = false;

	while (span_next(&line, ' ', &field)) {
		if (number == 3)
			m.root = field;
		else if (number == 4)
			m.point = field;
		if (is_type) {
			m.type = field;
			return m;
		}
		is_type = number >= 6 && span_is(field, "-");
		number++;
	}
	return m;
}

static bool is_cgroup(const struct mount *m)
{
	return span_is(m->type, "cgroup") && span_starts(m->point, "/sys/fs/cgroup");
}

static struct span find(struct span mountinfo, bool (*fits)(const struct mount *m))
{
	struct span line, id;

	while (span_next(&mountinfo, '\n', &line)) {
		struct mount m = read_line(line);

		id = fits(&m) ? id_in_path(m.root) : (struct span){NULL, 0};
		if (id.p)
			return id;
	}
	return (struct span){NULL, 0};
}

struct span self_find_id(struct span mountinfo)
{
	struct span id = find(mountinfo, is_cgroup);

	/* in another container's network the files below are that one's; where cgroups (version 1) tell,
	 * they tell the truth */
	return id.p ? id : find(mountinfo, is_own_file);
}

static bool is_from_mounts(struct monitor *monitor)
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
		monitor_set_self(monitor, id);
	buf_free(&text);
	return id.p != NULL;
}

/* A name that may stand in a path as it is. */
static bool is_plain(const char *name)
{
	for (const char *p = name; *p; p++) {
		bool letter = (*p | 32) >= 'a' && (*p | 32) <= 'z';

		if (!letter && !(*p >= '0' && *p <= '9') && *p != '_' && *p != '.' && *p != '-')
			return false;
	}
	return *name != 0;
}

void self_find(struct monitor *monitor)
{
	struct utsname host;

	if (is_from_mounts(monitor))
		return;
	if (uname(&host) || !is_plain(host.nodename))
		return;
	for (size_t i = 0; i < monitor->engines_count; i++)
		span_copy(span_of(host.nodename), monitor->engines[i].confirm,
		    sizeof(monitor->engines[i].confirm));
}
