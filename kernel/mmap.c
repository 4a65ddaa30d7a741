// SPDX-License-Identifier: GPL-2.0
#include <linux/fs.h>
#include <linux/mm.h>

#include "doors.h"

/*
 * Pages are mapped one by one as they are touched, each with a reference of its
 * own. So nothing needs to be unmapped when a queue goes: a page that is still
 * mapped is freed by whoever unmaps it. A page stays where it is in the area as
 * long as the queue lives, so a mapping never shows another one.
 */
static vm_fault_t weir_fault(struct vm_fault *vmf, struct page *page)
{
	/* No message has reached it. It is not ours to make the creator pay for it. */
	if (!page)
		return VM_FAULT_SIGBUS;
	get_page(page);
	vmf->page = page;
	return 0;
}

static vm_fault_t weir_index_fault(struct vm_fault *vmf)
{
	struct weir_queue *queue = vmf->vma->vm_private_data;

	return weir_fault(vmf, weir_index_page(&queue->index, vmf->pgoff));
}

static vm_fault_t weir_pool_fault(struct vm_fault *vmf)
{
	struct weir_queue *queue = vmf->vma->vm_private_data;
	pgoff_t page = vmf->pgoff - (WEIR_POOL_OFFSET >> PAGE_SHIFT);

	return weir_fault(vmf, weir_pool_page(&queue->pool, page));
}

static const struct vm_operations_struct weir_index_vm_ops = {
	.fault = weir_index_fault,
};

static const struct vm_operations_struct weir_pool_vm_ops = {
	.fault = weir_pool_fault,
};

/* Whether @vma lies in the area of @length bytes at @offset. */
static bool weir_vma_in(const struct vm_area_struct *vma, u64 offset, u64 length)
{
	u64 begin = (u64)vma->vm_pgoff << PAGE_SHIFT;
	u64 size = vma->vm_end - vma->vm_start;

	return begin >= offset && begin - offset < length && size <= length - (begin - offset);
}

int weir_mmap(struct file *file, struct vm_area_struct *vma)
{
	struct weir_queue_file *qfile = file->private_data;
	struct weir_queue *queue = qfile->queue;

	if (READ_ONCE(queue->dead))
		return -ESHUTDOWN;
	if (queue->object.flags & WEIR_CREATE_PRIVATE)
		return -EACCES;
	/* The caller has seen to it that @file is open for reading. */
	if (vma->vm_flags & (VM_WRITE | VM_EXEC))
		return -EACCES;
	/* VM_SHARED is off where the file is not open for writing. */
	if (!(vma->vm_flags & VM_MAYSHARE))
		return -EINVAL;

	if (weir_vma_in(vma, WEIR_INDEX_OFFSET, weir_index_length(&queue->index)))
		vma->vm_ops = &weir_index_vm_ops;
	else if (weir_vma_in(vma, WEIR_POOL_OFFSET, weir_pool_length(&queue->pool)))
		vma->vm_ops = &weir_pool_vm_ops;
	else
		return -EINVAL;

	/* The mapping holds the file and so the queue. */
	vma->vm_private_data = queue;
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTCOPY | VM_DONTDUMP, VM_MAYWRITE | VM_MAYEXEC);
	return 0;
}
