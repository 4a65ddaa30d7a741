// SPDX-License-Identifier: GPL-2.0
/* The figures of WEIR_IOC_INFO, one a file. Documentation: docs/ABI/sysfs-class-weir */
#include <linux/device.h>
#include <linux/sysfs.h>

#include "doors.h"
#include "queue.h"

static struct weir_info weir_sysfs_info(struct device *dev)
{
	struct weir_info info;

	weir_queue_info(container_of(dev, struct weir_queue, object.dev), &info);
	return info;
}

#define WEIR_ATTR(_name, _format, _value)						\
static ssize_t _name##_show(struct device *dev, struct device_attribute *attr,		\
			    char *buf)							\
{											\
	const struct weir_info info = weir_sysfs_info(dev);				\
											\
	return sysfs_emit(buf, _format "\n", _value);					\
}											\
static DEVICE_ATTR_RO(_name)

WEIR_ATTR(type, "%s", info.type == WEIR_TYPE_QUEUE ? "queue" : "unknown");
WEIR_ATTR(uid, "%u", info.uid);
WEIR_ATTR(gid, "%u", info.gid);
WEIR_ATTR(mode, "%04o", info.mode);
WEIR_ATTR(private, "%d", !!(info.create_flags & WEIR_CREATE_PRIVATE));
WEIR_ATTR(max_messages, "%llu", info.policy.max_messages);
WEIR_ATTR(max_bytes, "%llu", info.policy.max_bytes);
WEIR_ATTR(lease_ns, "%llu", info.policy.lease_ns);
WEIR_ATTR(backoff_ns, "%llu", info.policy.backoff_ns);
WEIR_ATTR(backoff_max_ns, "%llu", info.policy.backoff_max_ns);
WEIR_ATTR(ttl_ns, "%llu", info.policy.ttl_ns);
WEIR_ATTR(max_deliveries, "%u", info.policy.max_deliveries);
WEIR_ATTR(priorities, "%u", info.policy.priorities);
WEIR_ATTR(starve_after, "%u", info.policy.starve_after);
WEIR_ATTR(prefetch, "%u", info.policy.prefetch);
WEIR_ATTR(single_active, "%d", !!(info.policy.flags & WEIR_POLICY_SINGLE_ACTIVE));
WEIR_ATTR(exclusive, "%d", !!(info.policy.flags & WEIR_POLICY_EXCLUSIVE));
WEIR_ATTR(keyed, "%d", !!(info.policy.flags & WEIR_POLICY_KEYED));
WEIR_ATTR(fair_share, "%d", !!(info.policy.flags & WEIR_POLICY_FAIR_SHARE));
WEIR_ATTR(discard, "%d", !!(info.policy.flags & WEIR_POLICY_DISCARD));
WEIR_ATTR(dead_letter, "%s", info.dead_letter);
WEIR_ATTR(dedup_ns, "%llu", info.policy.dedup_ns);
WEIR_ATTR(dedup_count, "%u", info.policy.dedup_count);
static const char *const weir_when_full_words[] = {
	[WEIR_WHEN_FULL_WAIT] = "wait",
	[WEIR_WHEN_FULL_REJECT] = "reject",
	[WEIR_WHEN_FULL_DROP_OLDEST] = "drop-oldest",
	[WEIR_WHEN_FULL_DEAD_LETTER] = "dead-letter",
};

WEIR_ATTR(when_full, "%s", weir_when_full_words[info.policy.when_full]);
WEIR_ATTR(depth, "%llu", info.depth);
WEIR_ATTR(leased, "%llu", info.leased);
WEIR_ATTR(delayed, "%llu", info.delayed);
WEIR_ATTR(behind, "%llu", info.behind);
WEIR_ATTR(dying, "%llu", info.dying);
WEIR_ATTR(pinned, "%llu", info.pinned);
WEIR_ATTR(drafts, "%llu", info.drafts);
WEIR_ATTR(bytes, "%llu", info.bytes);
WEIR_ATTR(memory, "%llu", info.memory);
WEIR_ATTR(sent, "%llu", info.sent);
WEIR_ATTR(received, "%llu", info.received);
WEIR_ATTR(redelivered, "%llu", info.redelivered);
WEIR_ATTR(expired, "%llu", info.expired);
WEIR_ATTR(settled, "%llu", info.settled);
WEIR_ATTR(purged, "%llu", info.purged);
WEIR_ATTR(dropped, "%llu", info.dropped);
WEIR_ATTR(dead, "%llu", info.dead);
WEIR_ATTR(duplicates, "%llu", info.duplicates);
WEIR_ATTR(consumers, "%llu", info.consumers);
WEIR_ATTR(waiters, "%llu", info.waiters);
WEIR_ATTR(oldest_age_ns, "%llu", info.oldest_age_ns);

static struct attribute *weir_queue_attrs[] = {
	&dev_attr_type.attr,
	&dev_attr_uid.attr,
	&dev_attr_gid.attr,
	&dev_attr_mode.attr,
	&dev_attr_private.attr,
	&dev_attr_max_messages.attr,
	&dev_attr_max_bytes.attr,
	&dev_attr_lease_ns.attr,
	&dev_attr_backoff_ns.attr,
	&dev_attr_backoff_max_ns.attr,
	&dev_attr_ttl_ns.attr,
	&dev_attr_max_deliveries.attr,
	&dev_attr_priorities.attr,
	&dev_attr_starve_after.attr,
	&dev_attr_prefetch.attr,
	&dev_attr_single_active.attr,
	&dev_attr_exclusive.attr,
	&dev_attr_keyed.attr,
	&dev_attr_fair_share.attr,
	&dev_attr_discard.attr,
	&dev_attr_dead_letter.attr,
	&dev_attr_dedup_ns.attr,
	&dev_attr_dedup_count.attr,
	&dev_attr_when_full.attr,
	&dev_attr_depth.attr,
	&dev_attr_leased.attr,
	&dev_attr_delayed.attr,
	&dev_attr_behind.attr,
	&dev_attr_dying.attr,
	&dev_attr_pinned.attr,
	&dev_attr_drafts.attr,
	&dev_attr_bytes.attr,
	&dev_attr_memory.attr,
	&dev_attr_sent.attr,
	&dev_attr_received.attr,
	&dev_attr_redelivered.attr,
	&dev_attr_expired.attr,
	&dev_attr_settled.attr,
	&dev_attr_purged.attr,
	&dev_attr_dropped.attr,
	&dev_attr_dead.attr,
	&dev_attr_duplicates.attr,
	&dev_attr_consumers.attr,
	&dev_attr_waiters.attr,
	&dev_attr_oldest_age_ns.attr,
	NULL
};

static const struct attribute_group weir_queue_group = {
	.attrs = weir_queue_attrs,
};

const struct attribute_group *weir_queue_groups[] = {
	&weir_queue_group,
	NULL
};
