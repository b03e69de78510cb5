Feature: Draining
  Told to stop (SIGTERM), the service takes no new orders, brings those inside to
  their outcomes, and ends. Nothing that a client was answered for is lost.

  Rule: Within its time, a drain loses nothing

    Scenario: An idle service ends at once
      Given a service
      And order "a" is processed
      When the service is told to stop
      Then it ends with exit code 0
      And its log says "drained=0"

    Scenario Outline: Who waits is told the outcome
      Given a service
      And its only worker takes 1s for an order
      And clients that speak <protocol>
      And a client waits for the outcome of order "a" worth 1
      And a client waits for the outcome of order "b" worth 1
      When the service is told to stop
      Then the client that waits for "a" is told that the order is processed, with sequence 1
      And the client that waits for "b" is told that the order is processed, with sequence 2
      And it ends with exit code 0
      And its log says "drained=2"

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: Who comes now is told to go elsewhere
      Given a service
      And its only worker takes 2s for an order
      And clients that speak <protocol>
      And a client that is connected
      And a client waits for the outcome of order "inside" worth 1
      When the service is told to stop
      And it has begun to drain
      And the connected client submits order "late" worth 1
      Then the client is told that the service is shutting down
      And sending the same order again is safe
      And it takes no new connections for orders
      And the client that waits for "inside" is told that the order is processed
      And it ends with exit code 0

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: Under load, every client is told an outcome or to go elsewhere
      Given a service that keeps its outcomes on disk
      And clients that speak <protocol>
      And 6 clients that submit one order after the other
      When they have had 100 answers
      And the service is told to stop
      Then it ends with exit code 0
      And each of these clients was told an outcome, or that the service is shutting down
      And the sequences they were told are 1, 2, 3 and so on without a gap

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

  Rule: When its time is up, the service ends, and says what became of the rest

    Scenario Outline: Who waits is told that sending again is safe
      Given a service
      And its only worker never gets done with an order
      And it gives up draining after 300ms
      And clients that speak <protocol>
      And a client waits for the outcome of order "a" worth 1
      And a client waits for the outcome of order "b" worth 1
      When the service is told to stop
      Then the client that waits for "a" is told that the service is shutting down
      And sending the same order again is safe
      And the client that waits for "b" is told that the service is shutting down
      And it ends with exit code 3
      And its log says "lost=0"

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: In memory, orders that were told "queued" are lost, and counted
      Given a service
      And its only worker never gets done with an order
      And it gives up draining after 300ms
      And clients that speak <protocol>
      When the client submits order "a" worth 1, preferring not to wait
      And the client submits order "b" worth 1, preferring not to wait
      And a client waits for the outcome of order "c" worth 1
      And the service is told to stop
      Then it ends with exit code 3
      And its log says "lost=2"

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario: Told to stop by a supervisor and its group at once, it drains
      Given a service
      And its only worker takes 3s for an order
      And a client waits for the outcome of order "a" worth 1
      When the service is told to stop
      And it is told to stop once more
      Then the client that waits for "a" is told that the order is processed
      And it ends with exit code 0

    Scenario: Told to stop twice, it ends at once
      Given a service
      And its only worker never gets done with an order
      And it gives up draining after 1h
      And a client waits for the outcome of order "a" worth 1
      When the service is told to stop
      And it has begun to drain
      And it is told to stop again two seconds later
      Then it ends with exit code 3
      And its log says "second signal"

  Rule: On disk, orders that were told "queued" are kept for the next start

    Scenario Outline: After the next start they have their outcome
      Given a service that keeps its outcomes on disk
      And its only worker never gets done with an order
      And it gives up draining after 300ms
      And clients that speak <protocol>
      When the client submits order "a" worth 1, preferring not to wait
      And the client submits order "b" worth 1, preferring not to wait
      And a client waits for the outcome of order "c" worth 1
      And the service is told to stop
      Then the client that waits for "c" is told that the service is shutting down
      And sending the same order again is safe
      And it ends with exit code 3
      And its log says "kept=2 lost=0"
      When it is started again with a worker that gets done
      Then in the end order "a" is on record as processed
      And in the end order "b" is on record as processed
      And order "c" is not known
      When the client submits order "a" worth 1 again
      Then the client is told again that the order is processed

      Examples:
        | protocol |
        | HTTP |
        | gRPC |

    Scenario Outline: Their ids are theirs as soon as the service is ready
      Given a service that keeps its outcomes on disk
      And its only worker never gets done with an order
      And it gives up draining after 300ms
      And clients that speak <protocol>
      When the client submits order "a" worth 1, preferring not to wait
      And the service is told to stop
      Then it ends with exit code 3
      And its log says "kept=1 lost=0"
      When it is started again
      Then order "a" is on record as queued
      When another client submits order "a" worth 2
      Then the client is told that the id belongs to another order
      When the client submits order "a" worth 1, preferring not to wait
      Then the client is told again that the order is queued

      Examples:
        | protocol |
        | HTTP |
        | gRPC |
