/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints, one for each step of a message. They are the same whichever door
 * it came through.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM weir

#if !defined(_WEIR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _WEIR_TRACE_H

#include <linux/tracepoint.h>

#include "queue.h"

DECLARE_EVENT_CLASS(weir_message,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message),
	TP_STRUCT__entry(
		__string(name, weir_object_name(&queue->object))
		__field(u64, offset)
		__field(u32, size)
		__field(u32, deliveries)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->offset = message->offset;
		__entry->size = message->size;
		__entry->deliveries = message->deliveries;
	),
	TP_printk("name=%s offset=%llu size=%u deliveries=%u",
		  __get_str(name), __entry->offset, __entry->size, __entry->deliveries)
);

DEFINE_EVENT(weir_message, weir_send,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message));

DEFINE_EVENT(weir_message, weir_deliver,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message));

DEFINE_EVENT(weir_message, weir_settle,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message));

DEFINE_EVENT(weir_message, weir_put_back,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message));

DEFINE_EVENT(weir_message, weir_dead,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message));

DEFINE_EVENT(weir_message, weir_drop,
	TP_PROTO(const struct weir_queue *queue, const struct weir_entry *message),
	TP_ARGS(queue, message));

TRACE_EVENT(weir_destroy,
	TP_PROTO(const struct weir_queue *queue),
	TP_ARGS(queue),
	TP_STRUCT__entry(
		__string(name, weir_object_name(&queue->object))
		__field(u64, depth)
		__field(u64, leased)
	),
	TP_fast_assign(
		__assign_str(name);
		__entry->depth = queue->depth;
		__entry->leased = queue->leased;
	),
	TP_printk("name=%s depth=%llu leased=%llu",
		  __get_str(name), __entry->depth, __entry->leased)
);

#endif

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
