/* page.h - the dashboard's files, as they are sent: gzip bytes that tools/pack-page.sh packed into
 * the binary from page/. Constant data; nothing here allocates or changes. */
#ifndef AUTOHEAL_PAGE_H
#define AUTOHEAL_PAGE_H

#include <stddef.h>

struct page_file {
	const char *path; /* the path that names it: "/", "/page.css", "/page.js" */
	const char *type; /* Content-Type, with its charset */
	const char *etag; /* strong and with its quotes (RFC 9110 8.8.3); names the gzip bytes */
	const unsigned char *bytes; /* gzip (RFC 1952): Content-Encoding is always gzip */
	size_t length;
};

extern const struct page_file page_files[];
extern const size_t page_files_count;

#endif
