/* Shared turns over a server: a push may arrive after its writer has died.
 *
 * Two writers of one clone ask for one thing each: the first gives a task
 * back, the second claims it, and is refused as long as it is not free. Whoever
 * has the turn takes the other's request along. A push is carried out at once,
 * or its line is cut: then it arrives at any later time, or never, and whoever
 * sent it is dead, or knows nothing. The server takes a push only from the
 * entry that it was made on. Another clone writes once, at any time. The heir
 * of who died, or was left without an outcome, says what became of it.
 */
#define ENTRIES 5
#define WRITERS 2
#define BACK_GIVER 1
#define CLAIMER 2
#define NEVER 99

/* of a request: not asked, waiting, taken by a turn, taken back */
#define NONE 0
#define WAITING 1
#define TAKEN 2
#define BACK 3

byte tip = 0;                    /* the server's newest entry */
byte known = 0;                  /* what the clone has heard of */
bool is_free[ENTRIES];              /* by entry: the task is free */
byte published[WRITERS + 1];     /* by writer: how often its entry is in the chain */
byte request[WRITERS + 1];
bool answered[WRITERS + 1];      /* it was told that its entry stands */
bool cut[WRITERS + 1];           /* it was told that its push was cut off */
bool ended[WRITERS + 1];         /* it died, or ended without an outcome: its heir looks */
bool said_not[WRITERS + 1];      /* it was said that nothing was done, nor will be */
byte seen[WRITERS + 1];          /* the tip that its request names */
byte noted[WRITERS + 1] = NEVER; /* the tip of its own try */
byte sent[WRITERS + 1] = NEVER;  /* the push that is under way: from which entry */
bool with[WRITERS + 1];          /* and whether the other's entry is in it */
byte lock = 0;

inline publish_one(owner) {
    published[owner] = published[owner] + 1;
    assert(published[owner] == 1);   /* nothing is applied twice */
    assert(!said_not[owner])         /* nor after it was said that it was not */
}

/* The server carries out a push, if the ledger is where it was made on. */
inline carry_out(pusher, fine) {
    fine = false;
    if
#ifdef MUTANT_NO_LEASE
    :: tip < ENTRIES - 1 ->
#else
    :: tip == sent[pusher] && tip < ENTRIES - 1 ->
#endif
        tip = tip + 1;
        publish_one(pusher);
        if :: with[pusher] -> publish_one(3 - pusher) :: else fi;
        is_free[tip] = (pusher == BACK_GIVER && !with[pusher]);
        fine = true
    :: else
    fi;
    sent[pusher] = NEVER
}

inline say_not(owner) {
    said_not[owner] = true;
    assert(published[owner] == 0)      /* what was done is never said to be undone */
}

proctype Writer(byte me) {
    byte read, last;
    bool has_turn = false, is_certain = true, takes = false, fine = false;

    if
    :: atomic { lock == 0 -> lock = me; has_turn = true }; goto write
    :: atomic { seen[me] = known; request[me] = WAITING }
    fi;
    do
    :: answered[me] -> assert(published[me] == 1); goto over
    :: cut[me] -> ended[me] = true; goto over
    :: atomic { lock == 0 -> lock = me; has_turn = true }; break
    :: true -> break                               /* the wait is over */
    :: ended[me] = true; goto over                 /* it dies */
    od;
    atomic {
        if
        :: answered[me] -> assert(published[me] == 1); goto leave
        :: cut[me] -> ended[me] = true; goto leave
        :: else
        fi;
        is_certain = (request[me] == WAITING);
#ifdef MUTANT_CERTAIN_IN_A_TURN
        is_certain = is_certain || has_turn;
#endif
        request[me] = BACK;
        last = known
    };
write:
    /* what the server holds is asked; the clone hears of it */
    atomic {
        known = tip;
        read = known;
#ifndef MUTANT_NO_LOOK
        if :: published[me] > 0 -> goto leave :: else fi;
#endif
        if
        :: me == CLAIMER && !is_free[read] ->
            if
            :: is_certain || read != last -> say_not(me)
            :: else -> ended[me] = true            /* unknown */
            fi;
            goto leave
        :: else
        fi;
#ifdef MUTANT_FIRST_TIP_NOTED
        if :: noted[me] == NEVER -> noted[me] = read :: else fi
#else
        noted[me] = read
#endif
    };
    atomic {
        if
        :: has_turn && request[3 - me] == WAITING && !ended[3 - me] ->
            request[3 - me] = TAKEN;
            takes = true
        :: else
        fi
    };
    if
    :: atomic { true -> ended[me] = true; goto leave }    /* it dies before it sends anything */
    :: atomic { true -> sent[me] = read; with[me] = takes }
    fi;
    if
    :: atomic {                                    /* it is carried out, and answered */
        sent[me] != NEVER -> carry_out(me, fine);
        if :: fine -> known = tip :: else fi
       };
#ifndef MUTANT_A_LOST_TRY_IS_TOLD
       if :: !fine -> goto again :: else fi;
#endif
       if :: takes -> answered[3 - me] = true :: else fi;
       goto leave
    :: ended[me] = true; goto leave                /* it dies: perhaps the push arrives later */
    :: atomic {                                    /* the line is cut, and the time is up */
        true -> ended[me] = true;
        if
#ifdef MUTANT_CUT_OFF_IS_REFUSED
        :: takes -> say_not(3 - me)
#else
        :: takes -> cut[3 - me] = true
#endif
        :: else
        fi
       };
       goto leave
    fi;
again:
    atomic {
        if
        :: takes && request[3 - me] == TAKEN -> request[3 - me] = WAITING
        :: else
        fi;
        takes = false;
        if :: tip < ENTRIES - 1 -> goto write :: else -> goto leave fi
    };
leave:
    atomic { if :: lock == me -> lock = 0 :: else fi };
over:
    atomic { read = 0; last = 0; takes = false; fine = false }
}

/* The next command of an agent whose process ended without an outcome. */
proctype Heir(byte me) {
    byte last;
end:
    ended[me];
end_turn:
    atomic {
        lock == 0 ->
        if :: request[me] == WAITING || request[me] == TAKEN -> request[me] = BACK :: else fi;
        if
        :: noted[me] != NEVER -> last = noted[me]
#ifdef MUTANT_SETTLED_BY_WHAT_WAS_SEEN
        :: noted[me] == NEVER -> last = seen[me]
#else
        :: noted[me] == NEVER -> last = tip
#endif
        fi
    };
end_moved:
    atomic {
        if
        :: published[me] > 0
        :: published[me] == 0 && tip != last -> say_not(me)
        fi
    };
    last = 0
}

/* Pushes that were cut off arrive late, or never. */
proctype Late() {
    bool fine;
    byte who;
end:
    do
    :: atomic {
        if
        :: ended[1] && sent[1] != NEVER -> who = 1
        :: ended[2] && sent[2] != NEVER -> who = 2
        fi;
        if :: carry_out(who, fine) :: sent[who] = NEVER fi;
        who = 0; fine = false
       }
    od
}

/* Another clone, which was faster. */
proctype Other() {
end:
    atomic { tip < ENTRIES - 1 -> tip = tip + 1; is_free[tip] = is_free[tip - 1] }
}

init {
    atomic {
        run Late(); run Other();
        run Writer(1); run Writer(2);
        run Heir(1); run Heir(2)
    }
}
