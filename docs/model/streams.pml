/* Batches of a stream: what is done lands while the rest is at work.
 *
 * Tasks are bits, and the target is the set of what is in it. Two landers cut
 * batches, test them, give culprits back, and land the rest; agents hand in
 * meanwhile; an orchestrator cancels, adds and closes; a user commits to the
 * target by hand. Each may stop between any two steps and go on much later,
 * or never: then somebody else finishes.
 */
#define FIRST 1
#define BAD 2                /* fails the gate on its own */
#define THIRD 4              /* passes alone, and fails together with FIRST */
#define LATER 8              /* is added in passing */
#define FOREIGN 16           /* a commit of the user's */
#define has(set, some) (((set) & (some)) == (some))
#define passes(tree) (!has(tree, BAD) && !has(tree, FIRST + THIRD))

#ifndef ENTRIES
#define ENTRIES 6
#endif
#ifndef TURNS
#define TURNS 1
#endif

byte tip = 0;                /* the ledger's newest entry */
byte known = FIRST + BAD + THIRD;
byte done = 0;               /* handed in, and not landed */
byte landed = 0, cancelled = 0;
byte batch = 0;              /* what is landing: 0 is nothing */
byte from, goal;             /* and the two tips of the target */
bool closed = false, ended = false;
byte target = 0;
bool is_hand_free = true;    /* the user has not moved the target yet */

inline entry(fine) {
    fine = (tip < ENTRIES);
    if :: fine -> tip = tip + 1 :: else fi
}

inline end_stream() {
    if
    :: closed && (landed | cancelled) == known -> ended = true
    :: else
    fi
}

/* Take the first of what is done into the batch, in plan order. */
inline next_of(left) {
    if
    :: (left & FIRST) -> cut = cut | FIRST; left = left & ~FIRST
    :: !(left & FIRST) && (left & BAD) -> cut = cut | BAD; left = left & ~BAD
    :: !(left & (FIRST + BAD)) && (left & THIRD) -> cut = cut | THIRD; left = left & ~THIRD
    :: !(left & (FIRST + BAD + THIRD)) && (left & LATER) -> cut = cut | LATER; left = 0
    :: left == 0
    fi
}

/* Whoever finds a batch that is landing finishes or aborts it. */
inline finish() {
    atomic { read = tip; own = batch; one = from; two = goal };
    if
    :: own != 0 ->
        atomic {
            if
            :: tip == read && target == one ->
                target = two;
                assert(passes(target))               /* the target is what the gates passed on */
            :: else
            fi
        };
        now = target;
        atomic {
            fine = false;
            if :: tip == read -> entry(fine) :: else fi;
            if
            :: fine && has(now, two) ->
                batch = 0;
#ifdef MUTANT_ALL_DONE_COUNTS_AS_LANDED
                landed = landed | done; done = 0;
#else
                landed = landed | own; done = done & ~own;
#endif
                assert(has(target, landed));         /* landed is said of what is there */
                assert((landed & cancelled) == 0);   /* what lands is frozen meanwhile */
                end_stream()
            :: fine && !has(now, two) && now != one ->
                batch = 0                            /* somebody moved the target: aborted */
            :: else
            fi
        }
    :: else
    fi;
    d_step { read = 0; own = 0; two = 0; now = 0; fine = false }
}

proctype Lander() {
    byte read, own, one, two, now, cut, culprit;
    bool fine, is_tested;
    byte turns = 0;
end:
    do
    :: atomic { turns < TURNS -> turns = turns + 1 };
        finish();
        /* cut a batch of at most two, and merge it onto the target as it is */
        atomic {
            one = target;
#ifdef MUTANT_LANDED_IS_CUT_AGAIN
            now = (done | landed);
#else
            now = done;
#endif
            next_of(now);
            next_of(now);
            is_tested = passes(one | cut);
            now = 0
        };
        do
        :: cut != 0 && !is_tested ->
            /* a culprit is given back, and the rest is merged and tested anew */
            atomic {
                if
                :: (cut & BAD) -> culprit = BAD
                :: !(cut & BAD) && (cut & THIRD) -> culprit = THIRD
                :: !(cut & BAD) && !(cut & THIRD) -> culprit = FIRST
                fi;
                fine = false;
                if :: (done & culprit) && !(batch & culprit) -> entry(fine) :: else fi;
                if :: fine -> done = done & ~culprit :: else fi;
                cut = cut & ~culprit;
#ifdef MUTANT_THE_REST_IS_NOT_TESTED_ANEW
                is_tested = true;
#else
                is_tested = passes(one | cut);
#endif
                culprit = 0; fine = false
            }
        :: else -> break
        od;
        is_tested = false;
        if
        :: cut != 0 ->
            atomic {
                fine = false;
                if
#ifdef MUTANT_RESULTS_NOT_CHECKED
                :: batch == 0 && target == one -> entry(fine)
#else
#ifdef MUTANT_TARGET_NOT_CHECKED
                :: batch == 0 && has(done, cut) -> entry(fine)
#else
#ifdef MUTANT_TWO_BATCHES_AT_ONCE
                :: has(done, cut) && target == one -> entry(fine)
#else
#ifdef MUTANT_LANDED_IS_CUT_AGAIN
                :: batch == 0 && has(done | landed, cut) && target == one -> entry(fine)
#else
                :: batch == 0 && has(done, cut) && target == one -> entry(fine)
#endif
#endif
#endif
#endif
                :: else
                fi;
                if
                :: fine ->
                    assert(batch == 0);              /* one batch lands at a time */
                    assert((cut & landed) == 0);     /* what landed is never redone */
                    assert((cut & cancelled) == 0);
                    assert(target == one);           /* it lands on what it was tested on */
                    batch = cut; from = one; goal = one | cut
                :: else
                fi
            }
        :: else
        fi;
        d_step { cut = 0; one = 0; fine = false };
        finish();
        one = 0
    od
}

/* Hands in, in any order, also while a batch lands; what was given back again. */
proctype Agents() {
    bool fine;
    byte task;
end:
    do
    :: atomic {
        if
        :: task = FIRST
        :: task = BAD
        :: task = THIRD
        :: task = LATER
        fi;
        fine = false;
        if
        :: (known & task) && !((done | landed | cancelled) & task) -> entry(fine)
        :: else
        fi;
        if :: fine -> assert(!ended); done = done | task :: else fi;
        task = 0; fine = false
    }
    od
}

proctype Orchestrator() {
    bool fine;
    byte task;
    byte turns = 0;
end:
    do
    :: atomic { turns < 3 -> turns = turns + 1 };
        if
        :: atomic {                                  /* cancel one, or all, that is not landing */
            if :: task = THIRD :: task = known fi;
#ifdef MUTANT_A_BATCH_IS_NOT_FROZEN
            task = task & ~(landed | cancelled);
#else
            task = task & ~(landed | cancelled | batch);
#endif
            fine = false;
            if :: task != 0 -> entry(fine) :: else fi;
            if
            :: fine -> done = done & ~task; cancelled = cancelled | task; end_stream()
            :: else
            fi;
            task = 0; fine = false
        }
        :: atomic {                                  /* close the stream */
            fine = false;
            if :: !closed -> entry(fine) :: else fi;
            if :: fine -> closed = true; end_stream() :: else fi;
            fine = false
        }
        :: atomic {                                  /* add a task in passing */
            fine = false;
            if
#ifdef MUTANT_A_CLOSED_STREAM_TAKES_MORE
            :: !(known & LATER) -> entry(fine)
#else
            :: !closed && !(known & LATER) -> entry(fine)
#endif
            :: else
            fi;
            if
            :: fine -> known = known | LATER;
                assert(!ended)                       /* what has landed as a whole stays so */
            :: else
            fi;
            fine = false
        }
        fi
    od
}

proctype User() {
end:
    atomic { is_hand_free -> is_hand_free = false; target = target | FOREIGN }
}

init {
    atomic { run Lander(); run Lander(); run Agents(); run Orchestrator(); run User() }
}
