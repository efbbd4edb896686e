#!/bin/sh
# Claim a task by git plumbing, as one would write it by hand: a branch whose
# tree has a file for each open task and for each claimed one.
# Usage: claim.sh AGENT, in the repository. Prints the task; 1: none is open.
agent=$1
ref=refs/heads/claims
give_up=$(($(date +%s) + 30))
while [ "$(date +%s)" -lt "$give_up" ]; do
	tip=$(git rev-parse --verify "$ref") || exit 2
	task=$(git ls-tree --name-only "$tip:open" | shuf -n 1)
	[ -n "$task" ] || exit 1
	blob=$(echo "$agent" | git hash-object -w --stdin)
	open=$(git ls-tree "$tip:open" | grep -v "	$task\$" | git mktree)
	claimed=$({ git ls-tree "$tip:claimed"; printf '100644 blob %s\t%s\n' "$blob" "$task"; } | git mktree)
	tree=$(printf '040000 tree %s\t%s\n' "$claimed" claimed "$open" open | git mktree)
	commit=$(git commit-tree -p "$tip" -m "$agent claims $task" "$tree")
	if git update-ref "$ref" "$commit" "$tip" 2>/dev/null; then
		echo "$task"
		exit 0
	fi
done
echo "no luck for 30 seconds" >&2
exit 3
