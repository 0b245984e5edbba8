#!/usr/bin/env bats
# Meetings: meet.pml, over hold.pml.

load helpers.bash

ONE_SIDED='assertion violated ((other<=3)&&(session[other]==session[_pid]))' # the other side does not have that session

@test "meet: who meets is met, both have one session, and none is with what a killed run left" {
    holds meet
}

@test "meet: a session needs the same number from all sides" {
    breaks meet "$ONE_SIDED" -DNO_AGREEMENT
}

@test "meet: the last number is kept, for a side that met and has left" {
    breaks meet 'assertion violated ((((due==0)||' -DNO_KEPT_SESSION
}

# Either suffices alone.
@test "meet: a left-over seat makes no session, thanks to new tickets and to beats that must move" {
    breaks meet "$ONE_SIDED" -DNO_MOVED -DNO_NEW_TICKET
}

@test "meet: the time between two looks counts up to a limit, since all VMs may be paused" {
    breaks meet 'assertion violated ((seen[at]==0)||late[' -DNO_SHORT_LOOKS
}

@test "meet: these are all macros of the model" {
    each_is_taken_out meet.pml
}
