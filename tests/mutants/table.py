"""Mistakes that somebody could make, and the test that each must fail.

A mutant is a text of a file that stands there once, and what it becomes.
A text that is not found any more fails loudly: look where the rule went,
and move the mutant there.
"""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HARMLESS", "MUTANTS", "Mutant"]


class Mutant(NamedTuple):
    """One change of the code, the test that kills it, and why it matters."""

    name: str
    file: str
    text: str
    replacement: str
    test: str
    why: str


FILE_REFS = "gitcoord/store/file_refs.py"
OWN_PACKS = "gitcoord/store/own_packs.py"
PACK_TEST = (
    "tests/store/test_durability.py::"
    "test_a_pack_is_on_the_disk_before_it_has_its_name_and_kept_until_the_ref_has_moved"
)
LEDGER = "gitcoord/ledger/ledger.py"
GUARD = "gitcoord/ledger/prune_guard.py"
RENEWALS = "gitcoord/ledger/renewals.py"
ASKED = "gitcoord/ledger/asked.py"
ASKING = "gitcoord/ledger/asking.py"
SHARED = "gitcoord/core/shared_turns.py"
PENDING = "gitcoord/ledger/pending.py"
LEASES = "gitcoord/core/leases.py"
CLAIMS = "gitcoord/core/operations/claims.py"
PRECONDITIONS = "gitcoord/core/operations/preconditions.py"
EXPIRY = "gitcoord/core/operations/expiry.py"
BUILT_ON = "gitcoord/core/operations/built_on.py"
HANDED_IN = "gitcoord/core/operations/results.py"
LANDINGS = "gitcoord/core/operations/landings.py"
RESULTS = "gitcoord/git/results.py"
LANDING = "gitcoord/features/land/landings.py"
READINESS = "gitcoord/features/land/candidates.py"
GATING = "gitcoord/core/operations/gates.py"
REVIEWING = "gitcoord/core/operations/reviews.py"
REVIEWS = "tests/core/operations/test_reviews.py"
GATES = "tests/features/work/test_checks.py"
RACES = "tests/ledger/test_races.py"
PENDING_TESTS = "tests/ledger/test_pending.py"
LEDGER_TESTS = "tests/ledger/test_ledger.py"
SHARED_TESTS = "tests/ledger/test_shared_turns.py"
PUSHES_TESTS = "tests/ledger/test_shared_pushes.py"
BEATS_TESTS = "tests/ledger/test_beats.py"
CLAIMS_TESTS = "tests/core/operations/test_claims.py"
EXPIRY_TESTS = "tests/core/operations/test_expiry.py"
BUILT_ON_TESTS = "tests/core/operations/test_built_on.py"
LANDINGS_TESTS = "tests/core/operations/test_landings.py"
WEB = "gitcoord/core/web_requests.py"
WEB_TEST = "tests/core/test_web_requests.py::test_everybody_else_is_refused"
SERVED = "gitcoord/features/run/web.py"
SERVED_TESTS = "tests/features/run/test_web.py"

MUTANTS = [
    # the swap
    Mutant(
        "forced-swap",
        FILE_REFS,
        "                if value != oid:\n",
        "                if value != oid and oid is None:\n",
        f"{LEDGER_TESTS}::test_a_foreign_move_between_decision_and_swap_means_deciding_again",
        "without the comparison the queue alone decides, and a queue can be passed",
    ),
    Mutant(
        "forced-create",
        FILE_REFS,
        "                if value != oid:\n",
        "                if value != oid and oid is not None:\n",
        "tests/store/test_contract.py::test_a_ref_is_created_once[libgit2-plain]",
        "a lock under which the ref is not read again is no compare-and-swap",
    ),
    Mutant(
        "stale-decision",
        LEDGER,
        "            _, parent, onto, snapshot, event = self._decided(turn, tip)\n",
        "            _, parent, onto, snapshot, event = (\n"
        "                (tip, tip, tip, open_snapshot(self.store, tip, self.records), event) "
        "if attempt else self._decided(turn, tip))\n",
        f"{LEDGER_TESTS}::test_a_foreign_move_between_decision_and_swap_means_deciding_again",
        "after contention the old event would be published on a state that it was not decided on",
    ),
    Mutant(
        "no-verified-beat",
        LEDGER,
        "            } | dict(turn.verify)\n",
        "            } and dict(turn.verify)\n",
        f"{BEATS_TESTS}::test_a_beat_that_came_before_the_takeover_stops_it",
        "a holder that beat between our look and our swap would lose its task",
    ),
    Mutant(
        "blind-beat",
        RENEWALS,
        "        if token not in _tokens(newest()):\n",
        "        if False:\n",
        f"{BEATS_TESTS}::test_a_beat_that_came_after_the_takeover_is_told_that_the_claim_is_lost",
        "a holder whose task was taken while it beat would go on",
    ),
    Mutant(
        "no-read-back",
        LEDGER,
        "            read_back(self.store, self.ref, entries[-1], event, write, self.clock, "
        "turn.deadline)\n",
        "",
        f"{LEDGER_TESTS}::test_done_is_not_said_of_an_entry_that_is_not_in_the_chain",
        "done would be said of what nobody can read",
    ),
    Mutant(
        "lost-objects",
        GUARD,
        " and not store.is_lost():\n",
        ":\n",
        f"{LEDGER_TESTS}::"
        "test_objects_that_vanish_around_the_swap_are_written_again_before_the_answer",
        "a prune beside us could take objects of what was acknowledged",
    ),
    Mutant(
        "no-sync",
        "gitcoord/store/loose.py",
        "                        os.fsync(handle)\n",
        "                        pass\n",
        "tests/store/test_durability.py::"
        "test_every_object_every_ref_and_every_folder_is_synced_before_it_is_acknowledged",
        "a power cut would take what was acknowledged",
    ),
    Mutant(
        "no-synced-pack",
        OWN_PACKS,
        "                    os.fsync(handle)\n",
        "                    pass\n",
        PACK_TEST,
        "a power cut would take all that a turn acknowledged",
    ),
    Mutant(
        "index-before-its-pack",
        OWN_PACKS,
        'zip(made, (".pack", ".idx"), strict=True)',
        'reversed([*zip(made, (".pack", ".idx"), strict=True)])',
        PACK_TEST,
        "others would read an index whose pack is not there yet",
    ),
    Mutant(
        "no-synced-pack-folder",
        OWN_PACKS,
        "                sync_path(self._folder)\n",
        "                pass\n",
        PACK_TEST,
        "a power cut would take the names of the packs that a ref reaches",
    ),
    Mutant(
        "pack-not-kept",
        OWN_PACKS,
        '        self._keep.write(json.dumps({"process": identity()}).encode())\n',
        "",
        "tests/store/test_own_packs.py::test_a_repack_that_sees_no_ref_to_it_leaves_it",
        "a repack beside us would take what no ref reaches yet",
    ),
    Mutant(
        "one-pack-too-many",
        OWN_PACKS,
        "if count_packs(self._folder) >= MAX_PACKS:",
        "if False:",
        "tests/store/test_own_packs.py::test_there_is_never_one_too_many",
        "without upkeep there would be thousands of packs after some minutes",
    ),
    Mutant(
        "kept-pack-merged",
        "gitcoord/git/pack_folder.py",
        "if path.with_suffix(KEEP).exists() or not",
        "if not",
        "tests/git/test_pack_folder.py::test_what_a_living_writer_keeps_stays",
        "a merged pack has no writer that keeps it, and a repack would take its objects",
    ),
    Mutant(
        "packs-for-ever",
        "gitcoord/store/disk_store.py",
        "            self._pack_changes += 1\n",
        "            self._pack_changes += 0\n",
        "tests/store/test_own_packs.py::test_who_reads_for_long_keeps_few_packs_open",
        "a run of some hours would have no file handles left",
    ),
    Mutant(
        "no-synced-folders",
        FILE_REFS,
        '        while is_new and "/" in folder:\n',
        "        while False:\n",
        "tests/store/test_durability.py::"
        "test_every_object_every_ref_and_every_folder_is_synced_before_it_is_acknowledged",
        "the first entry of a ledger could vanish with its folder",
    ),
    Mutant(
        "no-synced-token",
        LEDGER,
        "                sync_files(kept)\n",
        "",
        "tests/e2e/test_syncs.py::test_a_claims_token_is_on_the_disk_before_the_claim_can_be",
        "a power cut would leave a claim whose token nobody knows",
    ),
    # stale locks and unknown outcomes
    Mutant(
        "verified-stays-locked",
        LEDGER,
        "        self.locks.clear_left(agent)\n",
        "",
        f"{PENDING_TESTS}::"
        "test_a_lock_of_a_ref_that_a_killed_swap_only_verified_is_cleared[-False]",
        "the lock of a target or a beat would stay until somebody stumbles over it",
    ),
    Mutant(
        "lock-broken-by-age",
        "gitcoord/store/stale_locks.py",
        "not is_held or _may_be_held(lock, is_suspected=is_suspected) or _look(lock) != seen:\n",
        "not is_held or _look(lock) != seen:\n",
        "tests/store/test_stale_locks.py::"
        "test_a_lock_is_broken_only_when_no_recorded_writer_lives[living-False]",
        "a lock that is only old may belong to a writer that sleeps, and breaking it corrupts the "
        "ref",
    ),
    Mutant(
        "pid-alone",
        "gitcoord/host/processes.py",
        "state not in _DEAD_STATES and actual_start == start",
        "state not in _DEAD_STATES",
        "tests/host/test_processes.py::test_a_process_is_known_by_more_than_its_pid",
        "a pid is used again, and its new owner would keep the dead one's lock for ever",
    ),
    Mutant(
        "unknown-is-ok",
        PENDING,
        "Settled(entry_id, op, task, token, entry is not None, entry or NO_OID)",
        "Settled(entry_id, op, task, token, True, entry or NO_OID)",
        f"{PENDING_TESTS}::test_not_applied_is_said_only_once_the_tip_was_replaced",
        "an outcome that nobody knows would be called a success",
    ),
    Mutant(
        "not-applied-too-early",
        PENDING,
        '            if entry is None and tip == facts.get("last", seen):\n',
        "            if False:\n",
        f"{PENDING_TESTS}::test_not_applied_is_said_only_once_the_tip_was_replaced",
        "a swap that is still under way could take place after we said that it did not",
    ),
    Mutant(
        "unknown-is-nothing",
        PENDING,
        "        now = NO_OID\n",
        "        now = tip\n",
        f"{PENDING_TESTS}::"
        "test_an_outcome_that_cannot_be_read_is_unknown_and_settled_by_the_next_command",
        "a swap whose outcome cannot be read would be said to have changed nothing",
    ),
    Mutant(
        "forgotten-operation",
        LEDGER,
        "self.pending.end(turn.context.id, is_known=is_known)",
        "self.pending.end(turn.context.id, is_known=True)",
        f"{PENDING_TESTS}::test_an_interrupted_swap_is_settled_by_the_same_process",
        "the next command could not tell what became of an interrupted one",
    ),
    Mutant(
        "own-process-is-dead",
        "gitcoord/host/live_files.py",
        "            return True\n        handle",
        "            return False\n        handle",
        "tests/host/test_live_files.py::test_another_thread_of_this_process_is_a_living_writer",
        "a thread would break the lock of another thread of its process",
    ),
    Mutant(
        "lock-after-the-name",
        "gitcoord/host/files.py",
        "        if is_held:\n            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)\n",
        "",
        "tests/host/test_live_files.py::test_a_writer_lives_until_it_is_killed",
        "a living writer would be taken for a dead one, and its lock be broken",
    ),
    # leases and fencing
    Mutant(
        "wall-clock",
        "gitcoord/host/clock.py",
        "        return time.monotonic_ns()\n",
        "        return time.time_ns()\n",
        f"{LEDGER_TESTS}::"
        "test_a_wall_clock_that_jumps_by_a_year_ends_no_lease_and_turns_no_time_back[1]",
        "whoever sets a clock would end every lease",
    ),
    Mutant(
        "clocks-of-others",
        LEASES,
        "    return boot_id == context.boot_id and monotonic_ns <= context.now_ns\n",
        "    return True\n",
        f"{EXPIRY_TESTS}::test_a_stamp_of_another_boot_never_makes_a_lease_end_at_once",
        "a monotonic clock of another boot says nothing about ours",
    ),
    Mutant(
        "torn-beat",
        LEASES,
        "    if beat is not None and beat.is_torn:\n",
        "    if beat is None:\n",
        "tests/core/test_leases.py::"
        "test_a_torn_beat_is_not_evidence_until_it_was_watched_for_the_whole_lease",
        "a beat that cannot be read would be taken for silence",
    ),
    Mutant(
        "clock-of-a-namespace",
        "gitcoord/host/clock.py",
        "            self._offset = time_offset()\n",
        '            self._offset = ""\n',
        "tests/host/test_clock.py::test_a_time_namespace_is_another_machine",
        "in a container with a clock of its own every lease would be over",
    ),
    Mutant(
        "ignored-beat",
        LEASES,
        '        stamps.append(beat.stamps[lease["token"]])\n',
        "        pass\n",
        f"{CLAIMS_TESTS}::test_a_beat_keeps_a_claim_and_only_the_right_token_counts",
        "a healthy agent in one long step would lose its task",
    ),
    Mutant(
        "any-beat",
        LEASES,
        '    elif beat is not None and lease["token"] in beat.stamps:\n        '
        'stamps.append(beat.stamps[lease["token"]])\n',
        "    elif beat is not None:\n        stamps.extend(beat.stamps.values())\n",
        f"{CLAIMS_TESTS}::test_a_beat_keeps_a_claim_and_only_the_right_token_counts",
        "a beat of an agent's other claim would keep a dead one alive",
    ),
    Mutant(
        "no-fence",
        PRECONDITIONS,
        '    if claim is None or claim["token"] != event["token"] or claim["agent"] != '
        'event["agent"]:\n        now =',
        '    if claim is None or claim["agent"] != event["agent"]:\n        now =',
        f"{CLAIMS_TESTS}::test_a_reissue_fences_the_older_session_and_keeps_attempt_and_branch",
        "an older session of the same agent would complete the work of the newer one",
    ),
    Mutant(
        "unread-evidence",
        EXPIRY,
        '    if gone["lease_ms"] != lease["lease_ms"] or not is_over:\n',
        '    if gone["lease_ms"] != lease["lease_ms"]:\n',
        f"{EXPIRY_TESTS}::test_forged_evidence_is_refused",
        "anybody could push the takeover of a lease that runs",
    ),
    Mutant(
        "same-attempt",
        CLAIMS,
        '    attempt = task["attempt"] + 1\n',
        '    attempt = task["attempt"]\n',
        f"{CLAIMS_TESTS}::test_a_claim_gives_the_next_attempt_and_its_own_branch",
        "two attempts would share a number, and then a branch",
    ),
    Mutant(
        "any-attempt",
        CLAIMS,
        '    if event["attempt"] != task["attempt"] + 1 or ',
        "    if ",
        "tests/core/test_forgeries.py::test_a_forged_event_is_refused[claim-13]",
        "a forged claim could take the number, and so the branch, of another attempt",
    ),
    Mutant(
        "claims-survive-by-name",
        "gitcoord/core/operations/rollbacks.py",
        "    return [one for one in holders(chosen) if one in current]\n",
        "    return holders(chosen)\n",
        "tests/features/land/test_rollbacks.py::"
        "test_claims_made_since_and_claims_given_back_since_are_both_fenced",
        "a rollback would bring tokens back to life that were given up",
    ),
    Mutant(
        "no-attic",
        LEDGER,
        '                self._keep_abandoned(attic_ref(self.name, event["time"], tip), tip)\n',
        "                pass\n",
        "tests/features/land/test_rollbacks.py::"
        "test_the_state_is_the_chosen_entrys_and_what_was_abandoned_is_kept",
        "what a rollback abandons would be the next prune's",
    ),
    # tasks
    Mutant(
        "release-is-a-failure",
        "gitcoord/core/operations/releases.py",
        "    put_task(changes, after)\n",
        '    put_task(changes, changed(after, failures=task["failures"] + 1))\n',
        "tests/features/work/test_results.py::"
        "test_giving_back_counts_as_no_failure_and_failing_does",
        "agents that give work back politely would use its attempts up",
    ),
    Mutant(
        "first-candidate-or-none",
        "gitcoord/features/work/choices.py",
        '(wait_ms(task["retry"], context))\n                continue\n',
        '(wait_ms(task["retry"], context))\n                break\n',
        "tests/features/work/test_choices.py::"
        "test_a_candidate_that_cannot_be_had_does_not_hide_the_next",
        "nothing-ready would be said while there is work",
    ),
    Mutant(
        "untransitive-redo",
        BUILT_ON,
        '                queue.append(other["id"])\n',
        "",
        f"{BUILT_ON_TESTS}::test_redoing_goes_through_results_that_name_only_the_one_before",
        "work that was built on something else would land",
    ),
    Mutant(
        "stale-base",
        HANDED_IN,
        '    check_built_on(snapshot, task, result["built_on"])\n',
        "",
        f"{BUILT_ON_TESTS}::test_a_completion_on_a_base_that_moved_is_refused",
        "a result could be handed in on a need that is not done any more",
    ),
    # results and landings
    Mutant(
        "rename-blind",
        "gitcoord/git/diffs.py",
        '"--no-renames"',
        '"--find-renames"',
        "tests/git/test_results.py::test_what_lies_outside_is_refused[a rename out]",
        "a file that is moved out of the boundary would be judged by its old name alone",
    ),
    Mutant(
        "artless-boundary",
        "gitcoord/core/paths.py",
        "    return is_safe(path) and any(",
        "    return any(",
        "tests/core/test_paths.py::test_an_unsafe_path_is_inside_nothing",
        "a twin of .git on some disks would be written there",
    ),
    Mutant(
        "uninspected-landing",
        READINESS,
        "        boundary = boundary_of_result(task, result)\n",
        "        boundary = boundary_of_result(task, result)._replace(layers=())\n",
        "tests/features/land/test_candidates.py::"
        "test_a_result_that_went_round_complete_is_refused_at_the_landing[False]",
        "whoever writes the ledger by hand could land anything",
    ),
    Mutant(
        "uninspected-commits",
        READINESS,
        '                inspect(work.git, oid, target_tip, result["built_on"], boundary, '
        'result["base"])\n',
        "                pass\n",
        "tests/features/land/test_candidates.py::"
        "test_a_result_that_went_round_complete_is_refused_at_the_landing[True]",
        "what was written outside and taken back would stay in the target's history",
    ),
    Mutant(
        "landing-without-bases",
        READINESS,
        'target_tip, result["built_on"], boundary, ',
        "target_tip, {}, boundary, ",
        "tests/features/land/test_candidates.py::"
        "test_a_result_lands_after_what_it_was_built_on_and_is_judged_without_it",
        "the commits of what a task was built on would be judged as its own",
    ),
    Mutant(
        "unordered-landing",
        LANDINGS,
        '{*task["spec"]["needs"], *record["built_on"]}',
        '{*task["spec"]["needs"]}',
        "tests/features/land/test_candidates.py::"
        "test_a_result_lands_after_what_it_was_built_on_and_is_judged_without_it",
        "a result would be merged before the one that it contains",
    ),
    Mutant(
        "unread-results",
        LANDINGS,
        '    if results != order or event["count"] != len(order):\n',
        "    if False:\n",
        f"{LANDINGS_TESTS}::test_a_landing_of_results_that_changed_meanwhile_is_refused",
        "a result that was redone while it was merged would land in its old form",
    ),
    Mutant(
        "unverified-move",
        "gitcoord/features/land/target_moves.py",
        "                {work.ledger.ref: snapshot.oid},\n",
        "                {},\n",
        "tests/features/land/test_landings.py::"
        "test_a_lander_that_slept_does_not_move_the_target_again",
        "a lander that slept would repeat a move that was taken back since",
    ),
    # checks and gates
    Mutant(
        "any-tree",
        GATING,
        ' or run["tree"] != tree or run["verdict"]',
        ' or run["verdict"]',
        "tests/core/operations/test_gates.py::test_ten_thousand_interleavings_accept_no_stale_pass",
        "a pass on what was merged before the target moved would count",
    ),
    Mutant(
        "any-definition",
        GATING,
        '        if run["definition"] != definition:\n',
        "        if False:\n",
        "tests/core/operations/test_gates.py::test_ten_thousand_interleavings_accept_no_stale_pass",
        "a pass of a gate as it once was would count",
    ),
    Mutant(
        "unproved-landing",
        LANDINGS,
        "    require_gates(snapshot, phase, event)\n",
        "",
        "tests/core/operations/test_gates.py::"
        "test_nobody_can_name_passes_that_the_ledger_does_not_have",
        "whoever writes the ledger by hand could land without a gate",
    ),
    Mutant(
        "unchecked-result",
        HANDED_IN,
        "    require_check(snapshot, task, result)\n",
        "",
        "tests/core/operations/test_gates.py::"
        "test_a_task_with_a_check_is_completed_only_with_a_pass_on_its_very_result",
        "a task could be completed although its check failed",
    ),
    Mutant(
        "missing-is-fine",
        "gitcoord/features/work/check_outcome.py",
        "    if status == 127:\n        return",
        "    if status == 127:\n        return '' and",
        "tests/features/work/test_check_run.py::test_whatever_is_no_plain_success_has_failed",
        "a gate whose command is not there would pass",
    ),
    Mutant(
        "nothing-is-fine",
        "gitcoord/features/work/check_outcome.py",
        "    if nothing:\n",
        "    if False:\n",
        "tests/features/work/test_check_run.py::test_whatever_is_no_plain_success_has_failed",
        "a gate that ran no test would pass",
    ),
    Mutant(
        "trusting",
        "gitcoord/features/setup/trust.py",
        "    if missing:\n        more",
        "    if False:\n        more",
        f"{GATES}::test_an_untrusted_gate_runs_nothing_and_lands_nothing",
        "a plan could run anything on this machine",
    ),
    Mutant(
        "believing",
        "gitcoord/features/work/checks.py",
        'gate_path(phase, spec["name"]), _seen_as(work, spec), tree)\n',
        'gate_path(phase, spec["name"]), _seen_as(work, spec), tree) or True\n',
        "tests/features/work/test_passes.py::"
        "test_a_forged_pass_of_a_gate_is_legal_and_does_not_keep_the_gate_from_running",
        "an entry that anybody wrote would stand for a gate that never ran",
    ),
    Mutant(
        "late-tip",
        LANDING,
        "    target, old, new = work.target(snapshot), check.tips[0], check.tips[-1]\n    if "
        "work.read_target(target) != old:\n        raise _StartAgainError\n",
        "    target, old, new = work.target(snapshot), work.target_tip(snapshot), check.tips[-1]\n",
        "tests/features/land/test_candidates.py::"
        "test_a_target_that_moves_right_after_the_merge_loses_nothing",
        "a commit that came while the results were merged would be lost",
    ),
    Mutant(
        "escaping-children",
        "gitcoord/features/work/check_run.py",
        "        os.killpg(child.pid, number)\n",
        "        child.send_signal(number)\n",
        "tests/features/work/test_check_run.py::"
        "test_a_command_that_hangs_is_ended_with_its_whole_group",
        "what a gate started would go on after it",
    ),
    # reviews
    Mutant(
        "own-approval",
        REVIEWING,
        '    if result["agent"] == agent["id"]:\n',
        "    if False:\n",
        f"{REVIEWS}::test_nobody_reviews_what_is_his_own_or_not_in_review",
        "an agent could wave its own work through",
    ),
    Mutant(
        "stale-verdict",
        REVIEWING,
        '    current = {(review["token"], review["agent"], review["result"]) '
        "for review in running(task)}\n",
        '    current = {(review["token"], review["agent"], event["reviewed"]) '
        "for review in running(task)}\n",
        f"{REVIEWS}::test_a_verdict_on_an_earlier_result_is_stale",
        "a result could be approved that nobody looked at",
    ),
    Mutant(
        "approved-again",
        REVIEWING,
        '    if own is not None and own["verdict"] is not None:\n',
        "    if False:\n",
        f"{REVIEWS}::test_one_agent_approves_a_result_once",
        "one agent could be all the reviewers",
    ),
    Mutant(
        "unkept-place",
        REVIEWING,
        "        places -= 1\n",
        "        places -= 0\n",
        f"{REVIEWS}::test_the_last_place_waits_for_a_verifier",
        "a task could be done without its verifier",
    ),
    # reading
    Mutant(
        "trailer-truth",
        "gitcoord/core/messages.py",
        "    if not same:\n",
        "    if False:\n",
        "tests/features/maintain/test_verify.py::test_a_forged_takeover_is_named",
        "what git log shows could differ from what the ledger does",
    ),
    Mutant(
        "key-twice",
        "gitcoord/core/codec.py",
        "    if len(result) != len(pairs):\n",
        "    if False:\n",
        "tests/core/test_codec.py::test_a_duplicate_key_is_corrupt",
        "two readers would read two records in the same bytes",
    ),
    Mutant(
        "cut-tree",
        "gitcoord/store/trees.py",
        "    if read_bytes != len(content):\n",
        "    if False:\n",
        "tests/store/test_reader.py::test_a_tree_that_git_would_not_write_is_missing",
        "an abbreviated oid names whatever object begins with it",
    ),
    # shared turns
    Mutant(
        "request-not-taken",
        ASKED,
        "            os.rename(self._path(asked, _WAITING), self._path(asked, _TAKEN))\n",
        "            pass\n",
        f"{SHARED_TESTS}::test_a_dead_process_whose_request_was_taken_is_told_by_its_heir",
        "the turn after one that died before it answered would apply the request again",
    ),
    Mutant(
        "request-of-the-dead",
        ASKED,
        "            if is_at_work(path, facts):\n                found",
        "            if True:\n                found",
        f"{SHARED_TESTS}::test_a_request_of_a_dead_process_is_left_and_settled",
        "what was settled as not done would be done",
    ),
    Mutant(
        "no-look-for-its-own-entry",
        LEDGER,
        "            if turn.seen is not None:\n",
        "            if False:\n",
        f"{SHARED_TESTS}::"
        "test_a_leader_that_dies_at_any_call_delays_nobody_and_applies_nothing_twice",
        "what a dead leader published would be published again",
    ),
    Mutant(
        "certain-while-taken",
        ASKING,
        "question.withdraw(self._ledger.pending) or (is_held and server is None)\n",
        "question.withdraw(self._ledger.pending) or True\n",
        f"{SHARED_TESTS}::test_no_refusal_is_told_while_another_may_still_publish_what_was_asked",
        "a refusal would be told of what a stopped leader publishes later",
    ),
    Mutant(
        "certain-after-a-push",
        ASKING,
        " or (is_held and server is None)\n",
        " or is_held\n",
        f"{PUSHES_TESTS}::test_no_refusal_is_told_while_a_dead_leader_s_push_may_arrive",
        "a refusal would be told of what a dead leader's push writes later",
    ),
    Mutant(
        "never-certain-again",
        ASKING,
        "        if now == last or turn.seen is None:\n",
        "        if True:\n",
        f"{PUSHES_TESTS}::"
        "test_a_refusal_is_told_once_the_ledger_has_moved_on_from_a_dead_leader_s_tip",
        "a refusal would never be told to whom a leader has died",
    ),
    Mutant(
        "settled-beside-a-late-push",
        PENDING,
        " and may_be_late and _was_asked(facts) and ",
        " and False and _was_asked(facts) and ",
        f"{PUSHES_TESTS}::"
        "test_what_a_dead_process_asked_of_a_dead_one_is_not_said_to_be_undone_too_early[True]",
        "not done would be said of what a dead leader's push does later",
    ),
    Mutant(
        "first-tip-noted",
        LEDGER,
        "            if (tip, sorted(wanted)) != noted:\n",
        "            if noted is None or sorted(wanted) != noted[1]:\n",
        f"{PUSHES_TESTS}::test_an_agent_s_next_try_is_settled_by_the_tip_of_that_try",
        "not done would be said of a second try whose push arrives later",
    ),
    Mutant(
        "refused-for-one-refused-for-all",
        LEDGER,
        "                if others is None or not others.fail(error):\n",
        "                if others is None or not others.fail(error) or True:\n",
        f"{PUSHES_TESTS}::test_what_the_server_refuses_of_one_is_refused_to_nobody_else",
        "what a server forbids one agent would be forbidden to whom it wrote with",
    ),
    Mutant(
        "outcome-of-another",
        "gitcoord/store/remote_store.py",
        "        event = batch.events[-1]\n",
        "        event = batch.events[0]\n",
        f"{PUSHES_TESTS}::test_a_line_that_is_cut_leaves_the_outcome_of_all_unknown[True]",
        "a leader would be told the id of another's entry",
    ),
    Mutant(
        "known-where-it-is-unknown",
        ASKING,
        "                if isinstance(answer.refusal, UnknownError):\n",
        "                if False:\n",
        f"{PUSHES_TESTS}::test_a_line_that_is_cut_leaves_the_outcome_of_all_unknown[True]",
        "nobody would settle what went with a push that was cut off",
    ),
    Mutant(
        "taken-by-the-impatient",
        SHARED,
        "asked.timeout_s <= patience_s",
        "asked.timeout_s >= 0",
        f"{PUSHES_TESTS}::test_an_impatient_leader_takes_nothing_of_who_would_wait_longer",
        "who would wait a minute would be given up with one that waits a second",
    ),
    Mutant(
        "long-pushes-are-not-waited-for",
        "gitcoord/ledger/shared_turns.py",
        "(last != before or is_talking())",
        "(last != before)",
        f"{PUSHES_TESTS}::test_who_waits_does_not_give_up_while_a_push_is_under_way",
        "each push longer than two seconds would be followed by one of each that waits",
    ),
    Mutant(
        "settled-beside-a-turn",
        PENDING,
        "            if _was_asked(facts) and not is_alone:\n",
        "            if False:\n",
        f"{SHARED_TESTS}::test_nothing_is_settled_while_a_turn_may_go_on_with_it",
        "not applied would be said of what a turn applies a moment later",
    ),
    Mutant(
        "takeover-in-company",
        SHARED,
        "        if is_alone(event):\n",
        "        if False:\n",
        "tests/core/test_shared_turns.py::test_a_turn_is_what_its_requests_are_one_after_another",
        "the beat of the old holder would not be verified at the swap",
    ),
    Mutant(
        "decided-beside-each-other",
        SHARED,
        "_outcome(state.overlaid(sofar), asked, decided)",
        "_outcome(state, asked, decided)",
        f"{SHARED_TESTS}::test_each_is_decided_on_what_those_before_it_left",
        "two of one turn would get the same task",
    ),
    # the page of a watcher
    Mutant(
        "any-host",
        WEB,
        "    if request.hosts != (host,):\n",
        "    if False:\n",
        WEB_TEST,
        "a page could name itself 127.0.0.1, and read the report as its own",
    ),
    Mutant(
        "one-of-the-hosts",
        WEB,
        "request.hosts != (host,)",
        "host not in request.hosts",
        WEB_TEST,
        "what stands in front could have read another host than we did",
    ),
    Mutant(
        "any-origin",
        WEB,
        'any(origin != f"http://{host}" for origin in request.origins)',
        "False",
        WEB_TEST,
        "a page of another site, or of another port, could ask",
    ),
    Mutant(
        "any-site",
        WEB,
        "any(site not in _OWN_SITES for site in request.sites)",
        "False",
        WEB_TEST,
        "a picture or a script of another page asks without an origin",
    ),
    Mutant(
        "any-method",
        WEB,
        "    if request.method not in METHODS:\n",
        "    if False:\n",
        WEB_TEST,
        "nothing may be changed there, now or later",
    ),
    Mutant(
        "any-target",
        WEB,
        "    if request.target not in {PAGE, REPORT}:\n",
        "    if False:\n",
        WEB_TEST,
        "a token in a query would be answered, and kept in histories and logs",
    ),
    Mutant(
        "no-token",
        WEB,
        "    if request.target == REPORT and not _is_shown(secret, request.authorizations):\n",
        "    if False:\n",
        WEB_TEST,
        "other users of the machine could read the report",
    ),
    Mutant(
        "half-a-token",
        WEB,
        'hmac.compare_digest(authorizations[0].encode("utf-8", "surrogateescape"), wanted)',
        'wanted.startswith(authorizations[0].encode("utf-8", "surrogateescape"))',
        WEB_TEST,
        "a token could be guessed one letter after the other",
    ),
    Mutant(
        "refusal-ignored",
        SERVED,
        "        if refused is not None:\n",
        "        if False:\n",
        f"{SERVED_TESTS}::test_who_comes_from_elsewhere_gets_nothing",
        "the rules would be right, and nobody would ask them",
    ),
    Mutant(
        "headers-not-read",
        SERVED,
        'names = ("Host", "Origin", "Sec-Fetch-Site", "Authorization")',
        'names = ("Host", "X-Origin", "X-Fetch-Site", "Authorization")',
        f"{SERVED_TESTS}::test_who_comes_from_elsewhere_gets_nothing",
        "the rules would be asked about what nobody sends",
    ),
    Mutant(
        "every-address",
        SERVED,
        'ADDRESS = "127.0.0.1"',
        'ADDRESS = "0.0.0.0"',
        f"{SERVED_TESTS}::test_it_is_served_to_this_machine_alone_and_ends_with_the_block",
        "the whole network could ask",
    ),
    # giving way
    Mutant(
        "gone-home-and-waited-for",
        "gitcoord/core/giving_way.py",
        "        if age > 2 * len(found) + LEEWAY:\n",
        "        if False:\n",
        "tests/core/test_giving_way.py"
        "::test_nobody_waits_for_an_orchestrator_that_made_the_plan_long_ago",
        "each command would wait for whoever has published once",
    ),
    Mutant(
        "waits-without-a-crowd",
        "gitcoord/core/giving_way.py",
        "    if slow_by_s <= 0:\n",
        "    if False:\n",
        "tests/core/test_giving_way.py"
        "::test_nobody_waits_where_a_round_takes_little_longer_than_at_best",
        "two commands of an agent, one after the other, would wait for nobody",
    ),
    Mutant(
        "contention-for-ever",
        "gitcoord/ledger/giving_way.py",
        "        if not met_ns or met_ns + MET_NS < self._clock.monotonic_ns():\n",
        "        if not met_ns:\n",
        "tests/ledger/test_giving_way.py::test_what_was_met_a_while_ago_counts_no_more",
        "a clone that lost a push once would wait ever after",
    ),
]

HARMLESS = [
    Mutant(
        "no-queue",
        LEDGER,
        "        with self._turns.take(\n"
        "            min(self.queue_wait_s, self.timeout_s), "
        "lambda: self._decided(turn, self.tip())\n"
        "        ) as is_queued:\n",
        "        for is_queued in (False,):\n",
        f"{RACES}::test_of_32_that_claim_one_task_one_does_and_the_others_are_told_who",
        "the queue is only a queue: without it races are slower, and as right",
    ),
]
"""Changes that must change nothing: their tests pass all the same."""
