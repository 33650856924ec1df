/* Certificates made by the openssl command in a temporary folder, for the tests of TLS. */
#ifndef TLS_WORLD_H
#define TLS_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define DAY ((int64_t)86400000)

static char world[] = "/tmp/autoheal-tls-XXXXXX";

/* Runs a shell script in the folder; it must succeed. */
static inline void sh(const char *script)
{
	pid_t pid = fork();
	int status;

	if (!pid) {
		if (chdir(world) || setenv("TMPDIR", world, 1))
			_exit(126);
		if (!freopen("log", "a", stderr) || !freopen("log", "a", stdout))
			_exit(126);
		execl("/bin/sh", "sh", "-euc", script, (char *)NULL);
		_exit(127);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (status)
		print_error("see %s/log\n", world);
	assert_int_equal(status, 0);
}

/* ca NAME: a CA. cert NAME CA EXTENSIONS KEY-OPTIONS...: NAME.pem and NAME.key by that CA. */
#define WORLD_TOOLS \
	"key() { openssl genpkey \"$@\"; }\n" \
	"ec() { key -algorithm EC -pkeyopt ec_paramgen_curve:${1:-P-256}; }\n" \
	"rsa() { key -algorithm RSA -pkeyopt rsa_keygen_bits:${1:-2048}; }\n" \
	"ca() { [ -f $1.key ] || ec > $1.key\n" \
	"  openssl req -x509 -new -key $1.key -subj \"/CN=$1\" -days 3650 -out $1.pem; }\n" \
	"cert() { name=$1 ca=$2; printf '%s\\n' \"$3\" > ext; [ -f $name.key ] || ec > $name.key\n" \
	"  openssl req -new -key $name.key -subj \"/CN=$name\" -out csr\n" \
	"  openssl x509 -req -in csr -CA $ca.pem -CAkey $ca.key -CAcreateserial -days 365 \\\n" \
	"    -extfile ext -out $name.pem; }\n" \
	"folder() { mkdir -p $1; cp $2.pem $1/ca.pem; cp $3.pem $1/cert.pem; cp $3.key $1/key.pem; }\n"

static inline int make_world(void **state)
{
	(void)state;
	if (!mkdtemp(world))
		return -1;
	sh(WORLD_TOOLS "ca ca; ca other\n"
		       "cert client ca extendedKeyUsage=clientAuth\n"
		       "rsa > client-rsa.key; cert client-rsa ca extendedKeyUsage=clientAuth\n"
		       "folder ec ca client; folder rsa ca client-rsa\n"
		       "mkdir server-only; cp ca.pem server-only\n");
	return 0;
}

static inline int remove_world(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", world);
	return system(command);
}

static inline int64_t wall_now(void)
{
	return (int64_t)time(NULL) * 1000;
}

/* A path inside the world; of the last four calls each stays valid. */
static inline const char *in_world(const char *name)
{
	static char path[4][128];
	static unsigned i;

	i = (i + 1) % 4;
	snprintf(path[i], sizeof(path[i]), "%s/%s", world, name);
	return path[i];
}

static inline char *read_whole(const char *path, size_t *n)
{
	FILE *f = fopen(path, "rb");
	char *p = malloc(1 << 20);

	assert_non_null(f);
	*n = fread(p, 1, 1 << 20, f);
	fclose(f);
	return p;
}

static inline void write_whole(const char *path, const void *bytes, size_t n)
{
	FILE *f = fopen(path, "wb");

	assert_non_null(f);
	assert_int_equal(fwrite(bytes, 1, n, f), n);
	fclose(f);
}

#endif
