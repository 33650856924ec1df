/* test_self.c - what self.h promises: autoheal's own id out of a mountinfo, and no id where there is
 * none. The texts are of real engines (Docker 20.10, Podman 4.3), shortened. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "buf.h"
#include "self.h"

#define COUNT(a) (sizeof(a) / sizeof *(a))

#define OWN "65d0ddd115fb36e9150467ce20ff6b5f8a6dca11155dbba642d27a56006da1fd"
#define OTHER "faa2468dcd1454675aae3aa790321ffdac773b8dc13050aa1a55ece5f01abf31"
#define LAYER "575ed1d805a09dd35b1f1cf48381829d6b3b5b0910faf5293c5701e1aa77045d"

/* ---- helpers --------------------------------------------------------------------------------- */

/* Looks in a copy on the heap, so that the sanitizer sees a read beyond it. */
static void assert_id(const char *mountinfo, const char *expected)
{
	size_t n = strlen(mountinfo);
	char *copy = malloc(n ? n : 1);
	struct span id;

	assert_non_null(copy);
	memmove(copy, mountinfo, n);
	id = self_find_id((struct span){copy, n});
	if (!expected)
		assert_null(id.p);
	else if (!id.p || !span_is(id, expected))
		fail_msg("'%.*s' in\n%s", (int)id.n, id.p ? id.p : "", mountinfo);
	free(copy);
}

#define ROOT_OF_DOCKER \
	"143 49 0:39 / / rw,relatime master:2 - overlay overlay rw,lowerdir=/var/lib/docker/overlay2/l/" \
	"BK4L:/var/lib/docker/overlay2/l/J2UG,upperdir=/var/lib/docker/overlay2/" LAYER "/diff\n" \
	"144 143 0:42 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw\n" \
	"145 143 0:43 / /dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n" \
	"169 143 0:45 / /sys ro,nosuid,nodev,noexec,relatime - sysfs sysfs ro\n"
#define CGROUP_V1(id) \
	"170 169 0:46 / /sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755\n" \
	"171 170 0:29 /docker/" id " /sys/fs/cgroup/cpu ro,nosuid - cgroup cgroup rw,cpu\n" \
	"174 170 0:32 /docker/" id " /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
#define CGROUP_V2 \
	"170 169 0:27 / /sys/fs/cgroup ro,nosuid,nodev,noexec,relatime - cgroup2 cgroup rw,nsdelegate\n"
#define FILES(folder) \
	"182 143 254:0 " folder \
	"/resolv.conf /etc/resolv.conf rw,relatime - ext4 /dev/vda rw,discard\n" \
	"183 143 254:0 " folder "/hostname /etc/hostname rw,relatime - ext4 /dev/vda rw,discard\n" \
	"207 143 254:0 " folder "/hosts /etc/hosts rw,relatime - ext4 /dev/vda rw,discard\n"
#define REST_OF_DOCKER \
	"50 144 0:42 /bus /proc/bus ro,nosuid,nodev,noexec,relatime - proc proc rw\n" \
	"55 144 0:43 /null /proc/keys rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755\n"

/* ---- in a container -------------------------------------------------------------------------- */

static void test_docker_with_cgroup_v1(void **state)
{
	(void)state;
	assert_id(ROOT_OF_DOCKER CGROUP_V1(OWN) FILES("/var/lib/docker/containers/" OWN)
		      REST_OF_DOCKER,
	    OWN);
}

static void test_docker_with_cgroup_v2(void **state)
{
	(void)state;
	assert_id(
	    ROOT_OF_DOCKER CGROUP_V2 FILES("/var/lib/docker/containers/" OWN) REST_OF_DOCKER, OWN);
}

/* The root is seen from its file system: a data folder on a disk of its own, a subvolume, a snap. */
static void test_docker_with_its_data_elsewhere(void **state)
{
	(void)state;
	assert_id(ROOT_OF_DOCKER CGROUP_V2 FILES("/containers/" OWN), OWN);
	assert_id(ROOT_OF_DOCKER CGROUP_V2 FILES("/@/var/lib/docker/containers/" OWN), OWN);
	assert_id(
	    ROOT_OF_DOCKER CGROUP_V2 FILES("/var/snap/docker/common/var-lib-docker/containers/" OWN),
	    OWN);
	assert_id(ROOT_OF_DOCKER CGROUP_V2 FILES("/my\\040disk/docker/containers/" OWN), OWN);
}

/* Docker in Docker, its data in an anonymous volume, whose name looks like an id. */
static void test_docker_within_docker(void **state)
{
	(void)state;
	assert_id(ROOT_OF_DOCKER CGROUP_V2 FILES(
		      "/var/lib/docker/volumes/" OTHER "/_data/containers/" OWN),
	    OWN);
}

static void test_podman(void **state)
{
#define PODMAN(folder) \
	"226 86 0:88 / / rw,relatime - overlay overlay rw,lowerdir=/var/lib/containers/storage/overlay/l/" \
	"R4NP,upperdir=/var/lib/containers/storage/overlay/" LAYER "/diff\n" \
	"232 226 0:25 " folder \
	"/hosts /etc/hosts rw,relatime - tmpfs tmpfs rw,size=806008k,mode=755\n" \
	"234 226 0:25 " folder "/.containerenv /run/.containerenv rw,relatime - tmpfs tmpfs rw\n" \
	"235 226 0:25 " folder "/hostname /etc/hostname rw,relatime - tmpfs tmpfs rw\n"
	(void)state;
	/* as root, and as a user: below the runtime folder */
	assert_id(PODMAN("/containers/storage/overlay-containers/" OWN "/userdata"), OWN);
	assert_id(PODMAN("/containers/overlay-containers/" OWN "/userdata"), OWN);
	assert_id(PODMAN("/run/user/1000/containers/overlay-containers/" OWN "/userdata"), OWN);
}

static void test_one_of_the_files_is_enough(void **state)
{
	static const char *const points[] = {
	    "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/run/.containerenv"};

	(void)state;
	for (size_t i = 0; i < COUNT(points); i++) {
		char text[512];

		snprintf(text, sizeof(text), "183 143 254:0 /x/%s/file %s rw - ext4 /dev/vda rw",
		    OWN, points[i]);
		assert_id(text, OWN);
	}
	/* with optional fields before the dash, and without any (proc(5)) */
	assert_id(
	    "183 143 254:0 /x/" OWN "/f /etc/hosts rw shared:1 master:2 - ext4 /dev/vda rw\n", OWN);
	assert_id("183 143 254:0 /x/" OWN "/f /etc/hosts", OWN);
}

/* A file of the user's own over one of them does not hide the others. */
static void test_a_file_mounted_by_the_user_is_passed_over(void **state)
{
	(void)state;
	assert_id("180 143 254:0 /home/user/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw\n"
		  "181 143 254:0 /var/lib/docker/containers/" OWN
		  "/hosts /etc/hosts rw - ext4 /dev/vda rw\n",
	    OWN);
}

/* Measured on 20.10.24: with network_mode container:OTHER the three files (and the hostname) are
 * OTHER's; the cgroup is one's own. Taken for OTHER, autoheal would never heal it and would restart
 * itself. */
static void test_a_container_in_anothers_network_is_not_that_other(void **state)
{
	(void)state;
	assert_id(ROOT_OF_DOCKER CGROUP_V1(OWN) FILES("/var/lib/docker/containers/" OTHER)
		      REST_OF_DOCKER,
	    OWN);
}

/* The same with systemd as cgroup driver, and with Podman, whose files are one's own but for hosts. */
static void test_other_spellings_of_the_cgroup(void **state)
{
#define CGROUP_AT(path) \
	"171 170 0:29 " path " /sys/fs/cgroup/memory ro,nosuid - cgroup cgroup rw,memory\n"
	(void)state;
	assert_id(ROOT_OF_DOCKER CGROUP_AT("/system.slice/docker-" OWN ".scope")
		      FILES("/var/lib/docker/containers/" OTHER),
	    OWN);
	assert_id(ROOT_OF_DOCKER CGROUP_AT("/docker/" OTHER "/docker/" OWN)
		      FILES("/var/lib/docker/containers/" OWN),
	    OWN); /* Docker in Docker */
	assert_id(ROOT_OF_DOCKER CGROUP_AT("/libpod_parent/libpod-" OWN)
		      FILES("/containers/storage/overlay-containers/" OWN "/userdata"),
	    OWN);
}

/* ---- elsewhere ------------------------------------------------------------------------------- */

static void test_a_bare_host_with_many_containers_has_no_id(void **state)
{
	struct buf text;

	(void)state;
	buf_init(&text, 4 * 1024 * 1024);
	buf_add_text(&text,
	    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n"
	    "22 27 0:22 / /sys rw - sysfs sysfs rw\n"
	    "28 22 0:27 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
	    "30 27 0:30 /systemd/resolve/stub-resolv.conf /etc/resolv.conf rw - tmpfs tmpfs rw\n"
	    "42 27 254:0 /var/lib/docker /var/lib/docker rw - ext4 /dev/vda rw\n");
	for (unsigned i = 0; i < 1000; i++) {
		char id[65];

		for (unsigned k = 0; k < 8; k++)
			snprintf(id + 8 * k, 9, "%08x", (i + 1) * 2654435761u + k * 40503);
		buf_print(&text,
		    "46 42 0:39 / /var/lib/docker/overlay2/%s/merged rw shared:2 - overlay overlay rw\n"
		    "47 42 0:40 / /var/lib/docker/containers/%s/mounts/shm rw - tmpfs shm rw\n"
		    "48 27 0:4 net:[4026532181] /run/docker/netns/f0967e74fd95 rw - nsfs nsfs rw\n"
		    "49 27 0:41 / /run/containerd/io.containerd.runtime.v2.task/moby/%s/rootfs rw - overlay "
		    "overlay rw\n"
		    "50 42 254:0 /var/lib/docker/volumes/%s/_data /srv/data rw - ext4 /dev/vda rw\n"
		    "51 27 0:42 / /var/lib/containers/storage/overlay-containers/%s/userdata/shm rw - tmpfs "
		    "shm rw\n",
		    id, id, id, id, id);
	}
	assert_false(text.failed);
	assert_null(self_find_id((struct span){text.p, text.n}).p);
	buf_free(&text);
}

static void test_other_mounts_say_nothing(void **state)
{
	static const char *const lines[] = {"", "\n\n\n", " ", "183", "183 143 254:0",
	    "183 143 254:0 /x/" OWN "/hosts", "183 143 254:0 /x/" OWN "/hosts ", "garbage",
	    "\xFF\xFE\x01",
	    /* other places */
	    "183 143 254:0 /x/" OWN "/hosts /etc/hosts.d rw - ext4 /dev/vda rw",
	    "183 143 254:0 /x/" OWN "/hosts /etc rw - ext4 /dev/vda rw",
	    "183 143 254:0 /x/" OWN "/hosts /rootfs/etc/hosts rw - ext4 /dev/vda rw",
	    "183 143 254:0 /x/" OWN "/hostname /var/lib/docker/containers/" OWN
	    "/hostname rw - ext4 x rw",
	    "183 143 254:0 /x/" OWN "/_data /data rw - ext4 /dev/vda rw",
	    "183 143 254:0 / /etc/hosts rw - ext4 /dev/" OWN " rw",
	    /* somebody else's cgroup, mounted to be looked at, and what only looks like one */
	    "171 170 0:29 /docker/" OTHER " /watched/memory rw - cgroup cgroup rw,memory",
	    "171 170 254:0 /x/" OTHER " /sys/fs/cgroup/x rw - ext4 /dev/vda rw",
	    /* no id in the path: too short, too long, no hex, part of a name */
	    "183 143 254:0 /home/user/hosts /etc/hosts rw - ext4 /dev/vda rw",
	    "183 143 254:0 /x/65d0ddd115fb/hosts /etc/hosts rw - ext4 /dev/vda rw",
	    "183 143 254:0 /x/" OWN "0/hosts /etc/hosts rw - ext4 /dev/vda rw",
	    "183 143 254:0 /x/x5d0ddd115fb36e9150467ce20ff6b5f8a6dca11155dbba642d27a56006da1fd/hosts "
	    "/etc/hosts rw - ext4 /dev/vda rw",
	    /* Kubernetes: the id of a pod is another thing */
	    "183 143 254:0 /var/lib/kubelet/pods/0e1b2c3d-1111-2222-3333-444455556666/etc-hosts /etc/hosts "
	    "rw - ext4 /dev/vda rw",
	    /* LXC, systemd-nspawn */
	    "183 143 0:39 /resolv.conf /etc/resolv.conf rw - tmpfs tmpfs rw"};

	(void)state;
	for (size_t i = 0; i < COUNT(lines); i++)
		assert_id(lines[i], NULL);
}

/* The id is a part of the text that was given, and no part of it is one by accident. */
static void test_a_text_cut_anywhere_finds_the_id_or_none(void **state)
{
	static const char text[] = ROOT_OF_DOCKER CGROUP_V2 FILES("/var/lib/docker/containers/" OWN)
	    REST_OF_DOCKER;

	(void)state;
	for (size_t n = 0; n < sizeof(text); n++) {
		char *copy = malloc(n + 1);
		struct span id;

		assert_non_null(copy);
		memcpy(copy, text, n);
		copy = realloc(copy, n ? n : 1);
		id = self_find_id((struct span){copy, n});
		if (id.p) {
			assert_true(id.p >= copy && id.p + id.n <= copy + n);
			assert_true(span_is(id, OWN));
		}
		assert_int_equal(id.p != NULL, strstr(text, "/etc/resolv.conf") + 16 <= text + n);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_docker_with_cgroup_v1),
	    cmocka_unit_test(test_docker_with_cgroup_v2),
	    cmocka_unit_test(test_docker_with_its_data_elsewhere),
	    cmocka_unit_test(test_docker_within_docker),
	    cmocka_unit_test(test_podman),
	    cmocka_unit_test(test_one_of_the_files_is_enough),
	    cmocka_unit_test(test_a_file_mounted_by_the_user_is_passed_over),
	    cmocka_unit_test(test_a_container_in_anothers_network_is_not_that_other),
	    cmocka_unit_test(test_other_spellings_of_the_cgroup),
	    cmocka_unit_test(test_a_bare_host_with_many_containers_has_no_id),
	    cmocka_unit_test(test_other_mounts_say_nothing),
	    cmocka_unit_test(test_a_text_cut_anywhere_finds_the_id_or_none),
	};

	return cmocka_run_group_tests_name("self", tests, NULL, NULL);
}
