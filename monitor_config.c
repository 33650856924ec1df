/* monitor_config.c - the configuration changes while the service runs; of monitor.h. */
#include <string.h>

#include "log.h"
#include "monitor.h"

static void warn(const char *sentence)
{
	log_line(LOG_WARNING, "config", "%s", sentence);
}

/* Every part goes by the settings of now. What reads them each time needs no word. */
static void tell_parts(struct monitor *m)
{
	char error[DOCKER_ERROR_MAX];

	log_setup(m->settings->log_level, m->settings->log_format);
	if (m->notify && notify_read(m->notify, error, sizeof(error)))
		log_line(LOG_WARNING, "notify", "%s", error);
	policy_settings_changed(&m->policy, m->loop->now);
	for (size_t i = 0; i < m->engines_count; i++) {
		/* this list, or the next where one is under way, brings some under watch that no event has told of */
		m->renamed[i] = m->engines[i].last_audit ? 2 : 0;
		docker_settings_changed(&m->engines[i]);
	}
}

/* Whether these are not what there is. */
static bool differ(struct healthchecks *a, const struct healthchecks *b)
{
	const struct healthcheck *one = b->first, *other;

	if (a->count != b->count)
		return true;
	for (; one; one = one->next) {
		other = healthchecks_find(a, one->container);
		if (!other || memcmp(&other->check, &one->check, sizeof(one->check)))
			return true;
	}
	return false;
}

bool monitor_configure(
    struct monitor *m, struct config_draft *draft, struct healthchecks *checks, bool imported)
{
	enum log_level before = m->settings->log_level;
	char names[CONFIG_NAMES_MAX], message[CONFIG_NAMES_MAX + 64];
	int chosen = monitor_choose_lists(m, draft);
	bool probes = checks && differ(checks, &m->checks);
	size_t changed;

	if (chosen < 0)
		return false;
	changed = config_commit(m->config, draft, names);
	if (probes)
		monitor_checks_replace(m, checks);
	if (!changed && !chosen && !probes)
		return true;
	text_print(message, sizeof(message), "%s by a person: %s%s%s%s%s",
	    imported ? "Imported" : "Changed", names, changed && chosen ? ", " : "",
	    chosen ? "containers" : "", probes && (changed || chosen) ? ", " : "",
	    probes ? "custom_health_checks" : "");
	m->memory.chosen = true;
	monitor_tell(
	    m, AUDIT_CONFIG, imported ? "imported" : "changed", monitor_any_host(m), message);
	/* a line that the new level would swallow, or the old one */
	if (before > m->settings->log_level)
		log_setup(m->settings->log_level, m->settings->log_format);
	log_line(LOG_INFO, "config", "%s", message);
	tell_parts(m);
	monitor_settle(m);
	return true;
}

bool monitor_restore_config(struct monitor *m, const struct json *j)
{
	struct config_draft draft;
	char names[CONFIG_NAMES_MAX];
	bool well = config_draft(&draft, m->config, CONFIG_STORED, j, "", warn);

	if (well && config_commit(m->config, &draft, names))
		tell_parts(m);
	config_drop(&draft);
	return well;
}
