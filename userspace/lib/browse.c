// SPDX-License-Identifier: MIT
/* Looking at messages, and being told of. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

/* For messages of which none is larger; then it is as large as that one needs. */
#define BROWSE_ROOM	(256U << 10)

WEIR_PUBLIC int weir_name(struct weir_queue *queue, const char *name)
{
	struct weir_name ours = { .flags = 0 };
	struct command command = {
		.fd = queue->fd, .number = WEIR_IOC_NAME, .arg = &ours, .size = sizeof(ours),
	};
	size_t len = name ? strnlen(name, sizeof(ours.name)) : 0;

	if (len == sizeof(ours.name))
		return -ENAMETOOLONG;
	if (len)
		memcpy(ours.name, name, len);
	return queue_run(queue, &command);
}

struct browser {
	weir_browse_fn	*each;
	void		*context;
	struct weir_browse browse;
	char		*buffer;
	size_t		room;
};

/* One record at @at, which is behind it then: 0, what @each said, or -errno. */
static int browser_tell(struct browser *browser, uint64_t *at)
{
	const uint64_t left = browser->browse.buffer_len - *at;
	struct weir_browsed browsed;
	struct weir_view view = { .data = NULL };
	uint64_t ends = 0;

	if (left < sizeof(browsed))
		return -EBADMSG;
	memcpy(&browsed, browser->buffer + *at, sizeof(browsed));
	if (browsed.size < sizeof(browsed) || browsed.size > left || browsed.size % 8)
		return -EBADMSG;
	browsed.holder[sizeof(browsed.holder) - 1] = 0;
	view.desc = browsed.desc;
	if (browser->browse.flags & WEIR_BROWSE_PAYLOAD &&
	    !view_fill(&view, browser->buffer, *at + browsed.size, &ends))
		return -EBADMSG;
	*at += browsed.size;
	return browser->each(&browsed, &view, browser->context);
}

/* What the kernel said is in the buffer, @count messages. */
static int browser_tell_all(struct browser *browser, int count)
{
	uint64_t at = 0;
	int ret;

	if (browser->browse.buffer_len > browser->room)
		return -EBADMSG;
	for (; count; count--) {
		ret = browser_tell(browser, &at);
		if (ret)
			return ret;
	}
	return 0;
}

static int browser_grow(struct browser *browser, size_t room)
{
	/* What had room, or is larger than any message, is no answer. */
	if (room <= browser->room || room > 2 * (size_t)WEIR_MESSAGE_MAX)
		return -EBADMSG;
	free(browser->buffer);
	browser->room = 0;
	browser->buffer = aligned_alloc(WEIR_ALIGN, (room + WEIR_ALIGN - 1) & -WEIR_ALIGN);
	if (!browser->buffer)
		return -ENOMEM;
	browser->room = room;
	return 0;
}

static int browser_go(struct browser *browser, struct weir_queue *queue)
{
	struct weir_browse *browse = &browser->browse;
	struct command command = {
		.fd = queue->fd, .number = WEIR_IOC_BROWSE,
		.arg = browse, .size = sizeof(*browse),
	};
	uint32_t slot;
	int ret = browser_grow(browser, BROWSE_ROOM);

	while (!ret && browse->slot != WEIR_BROWSE_END) {
		slot = browse->slot;
		browse->buffer = (uintptr_t)browser->buffer;
		browse->buffer_len = browser->room;
		ret = queue_run(queue, &command);
		/* It only ever goes on, or it would keep us here for ever. */
		if (ret >= 0 && browse->slot <= slot)
			ret = -EBADMSG;
		else if (ret == -EMSGSIZE)
			ret = browser_grow(browser, browse->buffer_len);
		else if (ret >= 0)
			ret = browser_tell_all(browser, ret);
	}
	return ret;
}

WEIR_PUBLIC int weir_browse(struct weir_queue *queue, const struct weir_browse_options *options,
			    weir_browse_fn *each, void *context)
{
	struct weir_browse_options ours;
	struct browser browser = { .each = each, .context = context };
	int ret = options_take(&ours, sizeof(ours), options);

	if (ret)
		return ret;
	if (ours.flags & ~WEIR_BROWSE_BARE)
		return -EINVAL;
	browser.browse.first = ours.first;
	browser.browse.end = ours.end;
	browser.browse.states = ours.states;
	if (!(ours.flags & WEIR_BROWSE_BARE))
		browser.browse.flags = WEIR_BROWSE_PAYLOAD;
	ret = browser_go(&browser, queue);
	free(browser.buffer);
	return ret;
}
