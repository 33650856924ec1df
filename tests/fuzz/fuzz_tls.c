/* fuzz_tls.c - certificates, keys and bundles, as bytes and as the files of a folder. The first byte says what the rest is. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"
#include "tls_der.h"
#include "tls_files.h"
#include "tls_names.h"

#define WALL 1700000000000ll

static const char *folder(void)
{
	static char name[64];

	if (!name[0]) {
		snprintf(name, sizeof(name), "/dev/shm/autoheal-fuzz-%d", (int)getpid());
		PROMISE(!mkdir(name, 0700) || chdir(name) == 0);
	}
	return name;
}

static void put(const char *name, struct span s)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", folder(), name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	PROMISE(fd >= 0 && (!s.n || write(fd, s.p, s.n) == (ssize_t)s.n));
	close(fd);
}

static void read_der(struct span der)
{
	struct tls_certificate c;
	struct span rest = der, value;
	unsigned tag;

	while (der_next(&rest, &tag, &value))
		PROMISE(value.p >= der.p && value.p + value.n <= der.p + der.n);
	if (!tls_certificate_read(&c, der))
		return;
	PROMISE(c.subject.p > der.p && c.subject.p + c.subject.n <= der.p + der.n);
	PROMISE(!c.key.key_type || c.key_kind == TLS_RSA || c.key_kind == TLS_EC);
}

static void read_pem(struct span text)
{
	struct span label, der;
	bool encrypted;
	int got;

	while ((got = tls_pem_next(&text, &label, &der, &encrypted)) > 0)
		read_der(der);
	PROMISE(got <= 0);
}

static void read_folder(struct span rest)
{
	char error[256] = "";
	struct tls_material *m;

	put("ca.pem", fuzz_part(&rest));
	put("cert.pem", fuzz_part(&rest));
	put("key.pem", fuzz_part(&rest));
	m = tls_material_read(folder(), false, WALL, &br_ec_prime_i31, error, sizeof(error));
	PROMISE(m || error[0]);
	tls_material_drop(m);
}

static void read_bundle(struct span rest)
{
	struct tls_found found = {0};
	struct span name = fuzz_part(&rest);
	char path[96];

	put("bundle.pem", rest);
	snprintf(path, sizeof(path), "%s/bundle.pem", folder());
	tls_bundle_find(path, name, WALL, &found);
	PROMISE(found.count <= TLS_FOUND_MAX);
	tls_found_free(&found);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = fuzz_span(data, size);
	uint8_t how = fuzz_byte(&rest);
	char *copy = fuzz_copy(rest, false);
	struct span s = {copy, rest.n};

	if (how % 4 == 0)
		read_der(s);
	else if (how % 4 == 1)
		read_pem(s);
	else if (how % 4 == 2)
		read_folder(s);
	else
		read_bundle(s);
	free(copy);
	return 0;
}
