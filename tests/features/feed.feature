Feature: The feed
  All outcomes can be read in the order of their sequence, from any point: to
  replay what happened, to keep up with it, or to go on after a break.

  Rule: A reader asks for what comes after the last sequence it knows

    Scenario Outline: From the start
      Given a service <kept>
      And orders "a" and "b" are processed
      When the client submits order "c" worth -1
      And a reader asks for the outcomes after 0
      Then the reader gets
        | seq | id | status    | detail                   |
        | 1   | a  | processed |                          |
        | 2   | b  | processed |                          |
        | 3   | c  | failed    | value must be above zero |

      Examples:
        | kept                              |
        | that keeps its outcomes on disk   |
        | that keeps its outcomes in memory |

    Scenario: From where it was
      Given a service
      And orders "a", "b" and "c" are processed
      When a reader asks for the outcomes after 2
      Then the reader gets
        | seq | id |
        | 3   | c  |

    Scenario: In portions
      Given a service
      And orders "a", "b" and "c" are processed
      When a reader asks for the outcomes after 0, 2 at most
      Then the reader gets
        | seq | id |
        | 1   | a  |
        | 2   | b  |
      When a reader asks for the outcomes after 2, 2 at most
      Then the reader gets
        | seq | id |
        | 3   | c  |

    Scenario: There is nothing new
      Given a service
      And order "a" is processed
      When a reader asks for the outcomes after 1
      Then the reader gets nothing

    Scenario: Each outcome comes with the order as it was handed in
      Given a service
      When the client submits order "a" worth 100.50 with {"side":"buy","legs":[1.10]}
      And a reader asks for the outcomes after 0
      Then what the reader gets holds:
        """
        "order":{"id":"a","value":100.50,"side":"buy","legs":[1.10]}
        """

    Scenario: Every outcome is there once, however many clients and workers there are
      Given a service
      And its 3 workers take 0ms to 2ms for an order and fail one in 5
      When 6 clients submit 50 orders each as fast as they can
      And a reader asks for the outcomes after 0, 1000 at most
      Then the reader gets the sequences 1 to 300 without a gap, and each order once

  Rule: A reader may wait for what is to come

    Scenario: It is told as soon as there is an outcome
      Given a service
      And order "a" is processed
      And a reader waits 60 s for the outcomes after 1
      When the client submits order "b" worth 1
      Then the reader that waits gets
        | seq | id |
        | 2   | b  |

    Scenario: Its time passes
      Given a service
      When a reader asks for the outcomes after 0, and waits 1 s
      Then the reader gets nothing

    Scenario: A drain ends its wait
      Given a service
      And a reader waits 60 s for the outcomes after 0
      When the service is told to stop
      Then the reader that waits gets nothing
      And it ends with exit code 0

  Rule: A reader that can't go on is told so

    Scenario: What it asks for is no longer kept
      Given a service that keeps its outcomes in memory
      And it knows the last 10 outcomes
      When 4 clients submit 800 orders each as fast as they can
      And a reader asks for the outcomes after 0
      Then the reader is told that older outcomes than one are no longer kept
      When a reader asks for the outcomes from that one on, 1 at most
      Then the reader gets that one

    Scenario: It is ahead of the last outcome
      Given a service
      And orders "a" and "b" are processed
      When a reader asks for the outcomes after 3
      Then the reader is told that the last outcome is 2

    Scenario Outline: It asks for what the feed does not do
      Given a service
      When a reader asks for the feed with <query>
      Then the reader is told that the parameter is not valid

      Examples:
        | query               |
        | after=-1            |
        | after=soon          |
        | after=0&limit=0     |
        | after=0&limit=10001 |
        | after=0&wait=61     |

  Rule: After a restart a reader goes on where it was

    Scenario: The sequences and the ledger are the same
      Given a service that keeps its outcomes on disk
      And orders "a", "b" and "c" are processed
      When a reader asks for the outcomes after 0
      And the service is killed without a warning
      And it is started again
      And the client submits order "d" worth 1
      And a reader asks for the outcomes after 3
      Then the reader gets
        | seq | id |
        | 4   | d  |
      And it is the same ledger

    Scenario: Killed under load, there is no gap, and every outcome that was told is there
      Given a service that keeps its outcomes on disk
      And 6 clients that submit one order after the other
      When they have had 100 answers
      And the service is killed without a warning
      And it is started again
      And the client submits order "afterwards" worth 1
      Then the feed has every sequence from 1 to that of order "afterwards" once
      And every outcome that they were told is still on record

    Scenario: In memory, it is another ledger
      Given a service that keeps its outcomes in memory
      And order "a" is processed
      When a reader asks for the outcomes after 0
      And the service has been stopped
      And it is started again
      And a reader asks for the outcomes after 0
      Then the reader gets nothing
      And it is another ledger

  Rule: Over gRPC, a follower gets what is there and what is to come, on one stream

    Scenario Outline: What is there, and what is to come
      Given a service <kept>
      And orders "a", "b" and "c" are processed
      And a follower of the outcomes after 1
      Then the follower gets
        | seq | id | status    |
        | 2   | b  | processed |
        | 3   | c  | processed |
      When the client submits order "d" worth -1
      Then the follower gets
        | seq | id | status | detail                   |
        | 4   | d  | failed | value must be above zero |

      Examples:
        | kept                              |
        | that keeps its outcomes on disk   |
        | that keeps its outcomes in memory |

    Scenario: A drain ends the stream, after the last outcome
      Given a service
      And its only worker takes 1s for an order
      And order "first" is processed
      And a follower of the outcomes after 0
      Then the follower gets
        | seq | id    |
        | 1   | first |
      When a client waits for the outcome of order "last" worth 1
      And the service is told to stop
      Then the follower gets
        | seq | id   |
        | 2   | last |
      And the follower is told DRAINING
      And it ends with exit code 0

    Scenario: It is ahead of the last outcome
      Given a service
      And order "a" is processed
      And a follower of the outcomes after 2
      Then the follower is told FEED_AHEAD

    Scenario: What it asks for is no longer kept
      Given a service that keeps its outcomes in memory
      And it knows the last 10 outcomes
      When 4 clients submit 800 orders each as fast as they can
      And a follower asks for the outcomes after 0
      Then the follower is told FEED_PRUNED
