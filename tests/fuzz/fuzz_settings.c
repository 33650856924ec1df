/* fuzz_settings.c - environment variables, one in each part, and what is made of them: engines, targets of notices. A wrong
 * one is a sentence. */
#include "fuzz.h"

#include "config_json.h"
#include "notice.h"
#include "target.h"

#define VARIABLES 16

static unsigned warnings;

static void count(const char *sentence)
{
	PROMISE(sentence[0]);
	warnings++;
}

static void read_targets(struct span list)
{
	struct notice_target t;
	struct span url;

	while (config_next_target(&list, &url)) {
		struct notice_words words = {.title = "title", .text = "text"};
		struct buf request;
		char shown[256];

		config_scheme(url);
		if (notice_read_target(&t, url, NOTICE_GENERIC))
			continue;
		notice_show_target(&t, shown, sizeof(shown));
		PROMISE(strlen(shown) < sizeof(shown));
		buf_init(&request, NOTICE_REQUEST_MAX);
		notice_request(&t, &words, span_of("{}"), &request);
		PROMISE(request.failed || request.n > 16);
		buf_free(&request);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct target targets[TARGETS_MAX];
	struct span rest = fuzz_span(data, size);
	char *environment[VARIABLES + 1] = {NULL}, error[512] = "";
	struct settings settings;
	struct buf out;

	warnings = 0;
	for (size_t i = 0; i < VARIABLES && rest.n; i++)
		environment[i] = fuzz_copy(fuzz_part(&rest), true);
	if (config_read(&settings, environment, error, sizeof(error), count)) {
		PROMISE(error[0]);
	} else {
		int engines = target_find(targets, &settings, NULL, error, sizeof(error));

		PROMISE(engines <= TARGETS_MAX && (engines >= 0 || error[0]));
		read_targets(span_of(settings.notify));
		buf_init(&out, 1 << 20);
		config_print(&settings, &out, span_of("{}"), span_of("[]"));
		fuzz_is_json(&out);
		buf_free(&out);
	}
	for (size_t i = 0; environment[i]; i++)
		free(environment[i]);
	return 0;
}
