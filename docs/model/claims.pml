/* Claims, beats, takeovers, expired holders and rollbacks of one task.
 *
 * The ledger is a chain of entries; hist[i] is the token that holds the task
 * in entry i. An agent reads a tip, decides on that state, and swaps: the
 * swap is atomic and compares the tip with what was read. Whether a lease is
 * over is left open, so every judgement that time could bring is explored.
 * Any process may stop between any two steps for as long as it likes.
 */
#ifndef AGENTS
#define AGENTS 2
#endif
#ifndef ENTRIES
#define ENTRIES 7
#endif
#ifndef BEATS
#define BEATS 2
#endif

byte tip = 0;             /* the newest entry's number */
byte hist[ENTRIES];       /* by entry: the current token, 0 for none */
byte parent[ENTRIES];     /* by entry: the one before it */
byte beat = 0;            /* the beat ref: a number that each beat raises */
byte holder_beat = 0;     /* the last beat that was acknowledged */
byte tokens = 0;          /* how many tokens were drawn */
bool lost[ENTRIES];       /* by token: it was current, and is not any more */
byte attic = 0;           /* the tip that the attic keeps, 0 for none */
byte left = 0;            /* the tip that the last rollback left */
bool kept = true;         /* what was left is in the attic */

#define CURRENT hist[tip]

/* Publish an entry with a token on what was read, or find that it moved. */
inline publish(read, held, fine) {
    fine = false;
    if
#ifdef MUTANT_NO_COMPARE
    :: tip < ENTRIES - 1 ->
#else
    :: tip == read && tip < ENTRIES - 1 ->
#endif
        if
        :: CURRENT != 0 && CURRENT != held -> lost[CURRENT] = true
        :: else
        fi;
        parent[tip + 1] = tip;
        tip = tip + 1;
        hist[tip] = held;
        assert(held == 0 || !lost[held]);   /* no token lives twice */
        fine = true
    :: else
    fi
}

proctype Agent() {
    byte mine = 0;        /* the token in the agent's private file */
    byte read, seen, was;
    bool fine;
end:
    do
    :: atomic { mine == 0 && tokens < 3 -> read = tip; seen = beat; was = hist[tip] };
        if
        :: was == 0 ->
            /* claim: free in what was read */
            atomic {
#ifdef MUTANT_CHECK_THEN_ACT
                publish(tip, tokens + 1, fine);
                assert(!fine || hist[tip - 1] == 0);
#else
                publish(read, tokens + 1, fine);
                assert(!fine || hist[tip - 1] == 0);   /* one holder */
#endif
                if :: fine -> tokens = tokens + 1; mine = tokens; holder_beat = beat :: else fi
            }
        :: was != 0 ->
            /* takeover: the lease is over by what was seen */
            atomic {
                if
#ifdef MUTANT_BEAT_NOT_VERIFIED
                :: true ->
#else
                :: beat == seen ->
#endif
                    publish(read, tokens + 1, fine);
                    if
                    :: fine ->
                        /* no acknowledged beat is newer than the evidence */
                        assert(seen >= holder_beat);
                        tokens = tokens + 1; mine = tokens; holder_beat = beat
                    :: else
                    fi
                :: else
                fi
            }
        :: true       /* gives up, or finds the lease still runs */
        fi
    :: mine != 0 ->
        if
        :: beat < BEATS ->
            /* beat: look, write the beat, look again */
            read = tip;
            if
            :: hist[read] == mine ->
                atomic { beat = beat + 1; seen = beat };
#ifdef MUTANT_BEAT_WITHOUT_LOOKING
                atomic { assert(CURRENT == mine); holder_beat = seen }
#else
                atomic {
                    if
                    :: CURRENT == mine -> holder_beat = (seen > holder_beat -> seen : holder_beat)
                    :: else -> mine = 0          /* claim-lost */
                    fi
                }
#endif
            :: else -> mine = 0
            fi
        :: true ->
            /* complete, fail or release: decided on what was read */
            atomic { read = tip; was = hist[tip] };
            if
#ifdef MUTANT_TOKEN_NOT_COMPARED
            :: was != 0 ->
#else
            :: was == mine ->
#endif
                atomic {
                    publish(read, 0, fine);
                    assert(!fine || hist[tip - 1] == mine);   /* fenced */
                    if :: fine -> mine = 0 :: else fi
                }
            :: else -> mine = 0                  /* claim-lost */
            fi
        :: true -> skip   /* sleeps, or is killed and keeps its file */
        fi
    od
}

/* An orchestrator goes back to an earlier entry. */
proctype Rollback() {
    byte read, onto, survivor;
end:
    do
    :: atomic { tip > 1 && tip < ENTRIES - 1 -> read = tip; onto = parent[tip] };
        if :: onto > 0 -> onto = parent[onto] :: true fi;
#ifndef MUTANT_NO_ATTIC
        attic = read;
#endif
        atomic {
            if
            :: tip == read ->
                /* it survives if both sides hold it by the same token */
#ifdef MUTANT_REVIVE
                survivor = hist[onto];
#else
                survivor = (hist[onto] == CURRENT -> CURRENT : 0);
#endif
                if
                :: CURRENT != 0 && CURRENT != survivor -> lost[CURRENT] = true
                :: else
                fi;
                left = tip;
                kept = (attic == left);
                assert(kept);                        /* nothing acknowledged is unreachable */
                tip = tip + 1;
                parent[tip] = onto;
                hist[tip] = survivor;
                assert(survivor == 0 || !lost[survivor])
            :: else
            fi
        }
    od
}

init {
    byte number = 0;
    atomic {
        do
        :: number < AGENTS -> run Agent(); number = number + 1
        :: else -> break
        od;
        run Rollback()
    }
}
