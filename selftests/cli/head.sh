#!/bin/sh
# SPDX-License-Identifier: GPL-2.0 OR MIT
# Runs heads, which starts two programs a thousand times, with a weir that starts quickly.

here=$(dirname "$0")
PATH=$(dirname "$(command -v weir)")/../tests:$PATH exec "$here/heads"
