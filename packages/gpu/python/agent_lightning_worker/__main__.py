from agent_lightning_worker.cli import main

raise SystemExit(main())
