/* Landings and rollbacks with code: moves of the target behind the ledger.
 *
 * An entry begins a move (old and new target), a ref transaction makes it,
 * another entry ends it. Two landers and a rollback interleave with a user
 * who moves the target by hand; each of them may stop between any two steps
 * and go on much later, or never: then somebody else finishes.
 */
#define OLD 1
#define NEW 2
#define FOREIGN 3

#ifndef ENTRIES
#define ENTRIES 9
#endif

byte tip = 0;              /* the ledger's newest entry */
byte target = OLD;         /* where the target branch is */
byte begun = 0;            /* the kind of move that is pending: 0, 1 landing, 2 rollback */
byte from, goal;           /* and its two tips */
bool landed = false;
bool tested = false;       /* the candidate was built on OLD and its gates passed */
bool moved[4];             /* by tip: the target was there */
byte hands = 1;            /* how often the user moves the target */

inline swap(read, fine) {
    fine = false;
    if :: tip == read && tip < ENTRIES -> tip = tip + 1; fine = true :: else fi
}

/* Whoever finds a pending move finishes or aborts it. */
inline finish() {
    atomic { read = tip; kind = begun; one = from; two = goal };
    if
    :: kind != 0 ->
        now = target;
        if
        :: now == one ->
            atomic {
                if
#ifdef MUTANT_LEDGER_NOT_VERIFIED
                :: target == one ->
#else
                :: tip == read && target == one ->
#endif
                    /* moved only while this very move is pending */
                    assert(begun == kind && from == one && goal == two);
                    target = two; moved[two] = true
                :: else
                fi
            };
            now = target
        :: else
        fi;
        if
#ifdef MUTANT_DONE_WITHOUT_LOOKING
        :: true ->
#else
        :: now == two ->
#endif
            atomic {
                swap(read, fine);
                if
                :: fine -> assert(begun == kind);
                    begun = 0;
                    assert(moved[two]);              /* done is said of what happened */
                    landed = (kind == 1)
                :: else
                fi
            }
#ifndef MUTANT_DONE_WITHOUT_LOOKING
        :: now != two && now != one ->
            atomic {
                swap(read, fine);
                if :: fine -> begun = 0 :: else fi
            }
        :: now == one -> skip                        /* not moved: look again */
#endif
        fi
    :: else
    fi
}

proctype Lander() {
    byte read, kind, one, two, now;
    bool fine;
    byte turns = 0;
end:
    do
    :: turns < 2 -> turns = turns + 1;
        finish();
        atomic { read = tip; kind = begun };
        if
        :: kind == 0 && !landed ->
            /* merge and test on the target as it is */
            one = target;
            if
            :: one == OLD ->
                atomic {
#ifdef MUTANT_TARGET_NOT_VERIFIED
                    swap(read, fine);
#else
                    fine = false;
                    if :: target == one -> swap(read, fine) :: else fi;
#endif
                    if
                    :: fine ->
                        assert(begun == 0);          /* at most one move is pending */
                        assert(target == one);       /* what lands is what was tested */
                        begun = 1; from = one; goal = NEW
                    :: else
                    fi
                }
            :: else
            fi
        :: else
        fi;
        finish()
    :: true -> break
    od
}

proctype Rollback() {
    byte read, kind, one, two, now;
    bool fine;
end:
    do
    :: true ->
        finish();
        atomic { read = tip; kind = begun };
        if
#ifdef MUTANT_ROLLBACK_WHILE_PENDING
        :: landed || kind != 0 ->
#else
        :: kind == 0 && landed ->
#endif
            atomic {
                fine = false;
                if :: target == NEW -> swap(read, fine) :: else fi;
                if
                :: fine ->
                    assert(begun == 0);
                    landed = false;
                    begun = 2; from = NEW; goal = OLD
                :: else
                fi
            }
        :: else
        fi;
        finish();
        break
    od
}

proctype User() {
end:
    do
    :: atomic { hands > 0 -> hands = hands - 1;
        if :: target = FOREIGN :: target = OLD fi; moved[target] = true }
    :: true -> break
    od
}

init {
    atomic { moved[OLD] = true; run Lander(); run Lander(); run Rollback(); run User() }
}
