// SPDX-License-Identifier: MIT
/* The interface is frozen: what was compiled once must go on to mean the same. */
#include <stddef.h>
#include "internal.h"

#define SIZE(type, size) \
	_Static_assert(sizeof(struct type) == (size), #type)
#define AT(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), #type "." #field)

SIZE(weir_version, 16);
AT(weir_version, features, 8);

SIZE(weir_policy, 120);
AT(weir_policy, max_bytes, 8);
AT(weir_policy, lease_ns, 16);
AT(weir_policy, backoff_max_ns, 32);
AT(weir_policy, ttl_ns, 40);
AT(weir_policy, flags, 60);
AT(weir_policy, dead_letter, 64);
AT(weir_policy, prefetch, 68);
AT(weir_policy, dedup_ns, 72);
AT(weir_policy, dedup_count, 80);
AT(weir_policy, when_full, 84);
AT(weir_policy, reserved, 88);

SIZE(weir_alter, 384);
AT(weir_alter, policy, 264);

SIZE(weir_create, 392);
AT(weir_create, type, 256);
AT(weir_create, mode, 264);
AT(weir_create, policy, 272);

SIZE(weir_destroy, 264);
AT(weir_destroy, flags, 256);

SIZE(weir_purge, 272);
AT(weir_purge, purged, 264);

SIZE(weir_info, 824);
AT(weir_info, type, 260);
AT(weir_info, policy, 280);
AT(weir_info, dead_letter, 400);
AT(weir_info, depth, 656);
AT(weir_info, delayed, 672);
AT(weir_info, behind, 680);
AT(weir_info, sent, 728);
AT(weir_info, dropped, 776);
AT(weir_info, oldest_age_ns, 816);

SIZE(weir_options, 72);
AT(weir_options, priority, 16);
AT(weir_options, producer, 24);
AT(weir_options, epoch, 40);
AT(weir_options, id, 48);
AT(weir_options, receipt, 56);
AT(weir_options, reply, 60);
AT(weir_options, token, 64);

SIZE(weir_receipt, 384);
AT(weir_receipt, offset, 8);
AT(weir_receipt, ended_ns, 32);
AT(weir_receipt, outcome, 40);
AT(weir_receipt, deliveries, 48);
AT(weir_receipt, pid, 56);
AT(weir_receipt, consumer, 64);
AT(weir_receipt, queue, 128);

SIZE(weir_send, 40);
AT(weir_send, count, 8);
AT(weir_send, timeout_ns, 16);
AT(weir_send, first_offset, 24);
AT(weir_send, duplicates, 32);

SIZE(weir_producer, 88);
AT(weir_producer, epoch, 68);
AT(weir_producer, id, 72);

SIZE(weir_message, 64);
AT(weir_message, len, 24);
AT(weir_message, key_len, 32);
AT(weir_message, options_len, 34);
AT(weir_message, flags, 36);
AT(weir_message, options, 40);

SIZE(weir_header, 8);
AT(weir_header, name_len, 4);

SIZE(weir_desc, 64);
AT(weir_desc, pos, 8);
AT(weir_desc, stamp_ns, 16);
AT(weir_desc, len, 24);
AT(weir_desc, key_len, 32);
AT(weir_desc, priority, 34);
AT(weir_desc, flags, 35);
AT(weir_desc, deliveries, 36);
AT(weir_desc, uid, 40);
AT(weir_desc, slot, 52);
AT(weir_desc, first_ns, 56);

SIZE(weir_run, 32);
AT(weir_run, slot, 8);
AT(weir_run, deliveries, 16);
AT(weir_run, status, 24);
AT(weir_run, delay_ms, 28);

SIZE(weir_reply, 48);
AT(weir_reply, message, 32);
AT(weir_reply, flags, 40);

SIZE(weir_fetch, 72);
AT(weir_fetch, nr_runs, 8);
AT(weir_fetch, nr_settle, 20);
AT(weir_fetch, timeout_ns, 32);
AT(weir_fetch, buffer, 40);
AT(weir_fetch, settle, 56);

SIZE(weir_settle, 32);
AT(weir_settle, count, 8);

SIZE(weir_layout, 32);
AT(weir_layout, pool_offset, 16);

SIZE(weir_name, 72);
AT(weir_name, flags, 64);

SIZE(weir_browse, 48);
AT(weir_browse, buffer, 16);
AT(weir_browse, slot, 32);

SIZE(weir_browsed, 192);
AT(weir_browsed, left_ns, 64);
AT(weir_browsed, state, 80);
AT(weir_browsed, holder_uid, 88);
AT(weir_browsed, holder, 96);

SIZE(weir_cancel, 16);
AT(weir_cancel, flags, 8);

SIZE(weir_uring_cmd, 16);
AT(weir_uring_cmd, len, 8);

/* The library's own, that programs allocate. */
#define SIZE_64(type, size) \
	_Static_assert(sizeof(void *) != 8 || sizeof(struct type) == (size), #type)

SIZE_64(weir_create_options, 144);
SIZE_64(weir_open_options, 16);
SIZE_64(weir_browse_options, 32);
SIZE_64(weir_batch_options, 40);
SIZE_64(weir_ring_options, 16);
SIZE_64(weir_view, 88);
SIZE_64(weir_header_view, 32);
SIZE_64(weir_completion, 24);
