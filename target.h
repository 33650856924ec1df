/* target.h - where an engine listens and how it is spoken to: the URLs of DOCKER_HOST, DOCKER_SOCK and
 * AUTOHEAL_HOSTS, read and checked. Nothing here connects. */
#ifndef AUTOHEAL_TARGET_H
#define AUTOHEAL_TARGET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "config.h"
#include "text.h"

#define TARGET_URL_MAX 256
#define TARGET_NAME_MAX 64    /* bytes of an engine's name, with the zero */
#define TARGET_FOLDER_MAX 180 /* bytes of DOCKER_CERT_PATH, so that a name fits behind it */
#define TARGETS_MAX 64        /* engines in AUTOHEAL_HOSTS */
#define TARGET_PORT 2375      /* the engine's own default without TLS */
#define TARGET_PORT_TLS 2376  /* and with it */

struct target {
	char name[TARGET_NAME_MAX]; /* the engine's, in events, API and log */
	bool local;                 /* a unix socket */
	bool tls;
	bool willfarrell_names; /* client-cert.pem and client-key.pem, as with his tcps:// */
	bool own_folder; /* its certificates may lie in a folder of its name in DOCKER_CERT_PATH */
	char place[TARGET_URL_MAX]; /* the socket's path, or a host name or address without brackets */
	uint16_t port;
	char url[TARGET_URL_MAX]; /* as shown to people */
};

/* Reads unix://PATH, a bare path, tcp://, http://, https:// or tcps://, each with HOST:PORT; tcp:// means TLS
 * where tls_verify says so, as in the docker command. variable is what to name in a sentence. The name is left
 * empty. 0, or -1 with a sentence in error. */
int target_read(struct target *t, const char *url, bool tls_verify, const char *variable,
    char *error, size_t error_size);
/* The engines that the settings name: those of AUTOHEAL_HOSTS, else the one of DOCKER_HOST or DOCKER_SOCK, else
 * the first default socket that exists. Fills targets (room for TARGETS_MAX); returns how many, or -1 with a
 * sentence. */
int target_find(struct target *targets, const struct settings *settings, const char *runtime_dir,
    char *error, size_t error_size);
/* The folder of its certificates: one of its own name under cert_path where it may have one and has, else
 * cert_path. Looks at the disk. */
void target_certificates(const struct target *t, const char *cert_path, char *out, size_t cap);

#endif
