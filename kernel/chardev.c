// SPDX-License-Identifier: GPL-2.0
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/uio.h>

#include "doors.h"
#include "queue.h"

static int weir_chardev_stream(struct inode *inode, struct file *file)
{
	/* Reads and writes keep to IOCB_NOWAIT, so io_uring need not use threads. */
	file->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, file);
}

static int weir_chardev_open(struct inode *inode, struct file *file)
{
	struct weir_queue *queue = container_of(inode->i_cdev, struct weir_queue, object.cdev);
	struct weir_queue_file *qfile;

	/* The node of a queue that is gone, mounted elsewhere: not of this one. */
	if (!inode->i_nlink)
		return -ENXIO;
	qfile = weir_queue_open(queue, file->f_mode & FMODE_READ);
	if (IS_ERR(qfile))
		return PTR_ERR(qfile);
	file->private_data = qfile;
	return weir_chardev_stream(inode, file);
}

static int weir_chardev_release(struct inode *inode, struct file *file)
{
	weir_queue_close(file->private_data);
	return 0;
}

static void weir_chardev_patience(struct weir_patience *patience, const struct file *file,
				  bool nowait)
{
	weir_patience_init(patience, nowait || file->f_flags & O_NONBLOCK, nowait, -1);
}

/* read(2) and write(2), without the iterator; what else there is has one. */
static ssize_t weir_chardev_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	struct weir_patience patience __uninitialized;

	if (!len)
		return 0;
	weir_chardev_patience(&patience, file, false);
	return weir_queue_read_plain(file->private_data, to, len, &patience);
}

static ssize_t weir_chardev_write(struct file *file, const char __user *from, size_t len,
				  loff_t *pos)
{
	struct weir_patience patience __uninitialized;
	struct weir_queue_file *qfile = file->private_data;

	if (!len)
		return 0;
	weir_chardev_patience(&patience, file, false);
	return weir_queue_write_plain(qfile->queue, from, len, file->f_cred, &patience);
}

static ssize_t weir_chardev_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct weir_patience patience __uninitialized;

	if (!iov_iter_count(to))
		return 0;
	weir_chardev_patience(&patience, iocb->ki_filp, iocb->ki_flags & IOCB_NOWAIT);
	return weir_queue_read(iocb->ki_filp->private_data, to, &patience);
}

static ssize_t weir_chardev_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct weir_patience patience __uninitialized;
	struct weir_queue_file *qfile = iocb->ki_filp->private_data;
	ssize_t ret;

	if (!iov_iter_count(from))
		return 0;
	weir_chardev_patience(&patience, iocb->ki_filp, iocb->ki_flags & IOCB_NOWAIT);
	ret = weir_queue_write(qfile->queue, from, iocb->ki_filp->f_cred, &patience);
	/* Who may not wait, not even for a burial, comes again. */
	return ret == -WEIR_MUST_WAIT ? -EAGAIN : ret;
}

static __poll_t weir_chardev_poll(struct file *file, struct poll_table_struct *table)
{
	struct weir_queue_file *qfile = file->private_data;
	struct weir_queue *queue = qfile->queue;
	__poll_t events = 0;

	if (file->f_mode & FMODE_READ)
		poll_wait(file, &queue->readers.pollers, table);
	if (file->f_mode & FMODE_WRITE)
		poll_wait(file, &queue->writers.pollers, table);
	/* Pairs with the barrier of weir_line_wake(), for what is read below. */
	smp_mb();

	if (READ_ONCE(queue->dead))
		return EPOLLERR | EPOLLHUP;
	if ((file->f_mode & FMODE_READ) && weir_queue_readable(queue, (uintptr_t)qfile))
		events |= EPOLLIN | EPOLLRDNORM;
	if ((file->f_mode & FMODE_WRITE) && weir_queue_writable(queue, file->f_cred))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

static const struct file_operations weir_chardev_fops = {
	.owner = THIS_MODULE,
	.open = weir_chardev_open,
	.release = weir_chardev_release,
	.read = weir_chardev_read,
	.write = weir_chardev_write,
	.read_iter = weir_chardev_read_iter,
	.write_iter = weir_chardev_write_iter,
	.poll = weir_chardev_poll,
	.mmap = weir_mmap,
	.unlocked_ioctl = weir_command_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = weir_uring_cmd,
};

/* An open file of @queue, which has no name. Its inode is everybody's, and cannot be opened. */
static struct file *weir_chardev_anonymous(struct weir_queue *queue)
{
	struct weir_queue_file *qfile = weir_queue_open(queue, true);
	struct file *file;

	if (IS_ERR(qfile))
		return ERR_CAST(qfile);
	file = anon_inode_getfile("[weir]", &weir_chardev_fops, qfile, O_RDWR);
	if (IS_ERR(file))
		weir_queue_close(qfile);
	else
		weir_chardev_stream(file_inode(file), file);
	return file;
}

int weir_chardev_install(struct weir_queue *queue)
{
	struct file *file;
	int fd;

	fd = get_unused_fd_flags(O_CLOEXEC);
	file = fd < 0 ? ERR_PTR(fd) : weir_chardev_anonymous(queue);
	if (IS_ERR(file)) {
		if (fd >= 0)
			put_unused_fd(fd);
		weir_queue_drop(queue);
		return PTR_ERR(file);
	}
	/* From here on it is the file's, which another thread may close at once. */
	weir_object_put(&queue->object);
	fd_install(fd, file);
	return fd;
}

struct file *weir_chardev_file(int fd)
{
	struct file *file = fget(fd);

	if (!file)
		return ERR_PTR(-EBADF);
	if (file->f_op == &weir_chardev_fops)
		return file;
	fput(file);
	return ERR_PTR(-EBADF);
}

struct weir_queue *weir_chardev_target(int fd, fmode_t mode)
{
	struct weir_queue *queue = ERR_PTR(-EBADF);
	struct file *file = weir_chardev_file(fd);

	if (IS_ERR(file))
		return ERR_CAST(file);
	if ((file->f_mode & mode) == mode) {
		const struct weir_queue_file *qfile = file->private_data;

		queue = qfile->queue;
		weir_object_get(&queue->object);
	}
	fput(file);
	return queue;
}

const struct weir_doors weir_queue_doors = {
	.fops = &weir_chardev_fops,
	.groups = weir_queue_groups,
};
